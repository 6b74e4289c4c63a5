"""The page of common mistakes, for teachers: what the checks know of each exercise, written when the site is made."""

import inspect

from tutorial_utils.exercises.catalogue import find_exercises, find_modules
from tutorial_utils.exercises.exercise import Exercise

HEAD = """\
# Common mistakes

For teachers: what learners get wrong in each exercise, as the checks say it. Each sentence belongs to a wrong answer
that a check knows, and is said only to those who wrote one like it.
"""


def page() -> str:
    """Return the page, in Markdown: a section for each notebook, a list for each exercise."""
    parts = [HEAD]
    for module in find_modules():
        parts.append(f"## {(inspect.getdoc(module) or '').removeprefix('The exercises of ').capitalize()}")
        parts += [tell(exercise) for exercise in find_exercises(module).values()]
    return "\n\n".join(parts) + "\n"


def tell(exercise: Exercise) -> str:
    """Return the mistakes of an exercise as a list."""
    lines = [f"- {sentence[0].upper()}{sentence[1:]}" for sentence in exercise.known_mistakes]
    return "\n".join([f"### {exercise.title}", "", *lines])
