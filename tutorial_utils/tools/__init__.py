"""What runs the course, and no lesson shows: JupyterLab on the learner's copies, the check of a machine, grading."""
