"""What measures the course: how fast it is, and whether the drawn images teach what the real ones do."""
