"""The stages of the capstone, in order. Each looks at runs of the learner's scripts and says what it saw.

A stage is a function that returns what was seen, or raises `Fault`. Its first sentence is what the stage asks for. The
order in which they are defined, and so that of the modules here, is the order in which they are judged.
"""

from tutorial_utils.capstone.stages import first, learning, changes, interrupts  # isort: skip
from tutorial_utils.capstone.stages.stage import STAGES, Stage

__all__ = ["STAGES", "Stage", "changes", "first", "interrupts", "learning"]
