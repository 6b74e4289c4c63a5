"""What lies under `tutorial_utils.train`: its command line, its processes and signals, and its output folder."""
