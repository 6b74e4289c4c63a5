"""The learners' scripts are run, and not imported."""

collect_ignore = ["right"]
