"""Exercises that check themselves: write, check, take a hint, look at a solution.

A notebook asks for a function, a class or a value, and passes what you wrote to the exercise::

    from tutorial_utils.exercises import ex01_tensors as ex
    ex.standardize.check(standardize)

Each notebook has a module of its own here. `progress()` prints a table of what is solved, and `review()` shows an
exercise to do again from memory.
"""

from tutorial_utils.exercises.catalogue import progress
from tutorial_utils.exercises.recall import review

__all__ = ["progress", "review"]
