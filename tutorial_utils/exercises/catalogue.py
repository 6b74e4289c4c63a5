"""Which exercises there are, how many of them are solved, which is the next, and which come again."""

from datetime import date
from importlib import import_module
from pathlib import Path
from types import ModuleType

from tutorial_utils.exercises.exercise import Exercise
from tutorial_utils.exercises.record import read_entries, read_record, record_file

STAGES = 22  # of the capstone, which comes after the notebooks
OFFERED = 3  # exercises to do again from memory


def find_modules() -> list[ModuleType]:
    """Return the modules with the exercises, one for each notebook, in their order."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("ex[0-9]*.py"))
    return [import_module(f"tutorial_utils.exercises.{name}") for name in names]


def find_exercises(module: ModuleType) -> dict[str, Exercise]:
    """Return the exercises of a module by name, in the order in which they stand there."""
    return {name: value for name, value in vars(module).items() if isinstance(value, Exercise)}


def every_exercise() -> list[Exercise]:
    """Return the exercises of all notebooks, in the order in which they are asked."""
    return [exercise for module in find_modules() for exercise in find_exercises(module).values()]


def progress() -> None:
    """Print how many exercises of each notebook you have solved, which is the next, and which to do again."""
    record = read_record(record_file())
    exercises = {module.__name__.rpartition(".ex")[2]: find_exercises(module).values() for module in find_modules()}
    print(f"{'notebook':<18}{'exercises':>9}{'solved':>8}")
    all_solved = 0
    for notebook, asked in exercises.items():
        solved = sum(record.get(exercise.key) == "correct" for exercise in asked)
        all_solved += solved
        print(f"{notebook:<18}{len(asked):>9}{solved:>8}{'  ✓' if solved == len(asked) else ''}")
    passed = sum(outcome == "correct" for key, outcome in record.items() if key.startswith("capstone."))
    if passed or all_solved == sum(map(len, exercises.values())):
        print(f"{'capstone, stages':<18}{STAGES:>9}{passed:>8}{'  ✓' if passed == STAGES else ''}")
    print(f"{'all':<18}{sum(map(len, exercises.values())):>9}{all_solved:>8}")
    unsolved = [exercise.title for exercise in every_exercise() if record.get(exercise.key) != "correct"]
    if unsolved:
        print(f"\nNext: {unsolved[0]}")
    if due := [exercise.title for exercise in find_due()]:
        print(f"\nAgain, from memory: {', '.join(due[:OFFERED])}. This shows the first:")
        print("from tutorial_utils.exercises import review; review()")


def find_due() -> list[Exercise]:
    """Return the exercises that are solved and that it is time to do again, the longest due first."""
    record = read_entries(record_file())
    due = [exercise for exercise in every_exercise() if exercise.key in record and record[exercise.key].is_due]
    return sorted(due, key=lambda exercise: record[exercise.key].due or date.min)
