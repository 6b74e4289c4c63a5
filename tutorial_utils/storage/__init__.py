"""What lies under the data sets, and no lesson shows: downloads, locks, the IDX format, drawn images, whole batches."""
