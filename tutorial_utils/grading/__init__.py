"""Grading of notebooks that were handed in: read, choose what an exercise needs, run it apart, report."""
