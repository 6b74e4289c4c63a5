"""Grade notebooks that were handed in: `python -m tutorial_utils.grade handed_in --output grades.csv`.

Of each notebook, what its exercises need is run, each exercise in a process of its own, and judged. The result is a
table with a row for each notebook or learner, and where wanted web pages for the learners and the class.
"""

import argparse
import hashlib
import os
import sys
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tutorial_utils.capstone.hints import HINTS
from tutorial_utils.command import expand, program
from tutorial_utils.grading.capstone import digest_of, find_capstones, grade_capstone
from tutorial_utils.grading.choose import find_module
from tutorial_utils.grading.learners import Learner, find_learner, guess_learner, read_roster
from tutorial_utils.grading.pages import write_pages
from tutorial_utils.grading.pool import Limits, Task, find_keys, grade_tasks
from tutorial_utils.grading.read import NoNotebookError, parse_cells
from tutorial_utils.grading.results import Result, append_result, read_results, write_results
from tutorial_utils.grading.sandbox import find_bubblewrap
from tutorial_utils.grading.tables import (
    Work,
    find_columns,
    tabulate_for_canvas,
    tabulate_for_moodle,
    tabulate_learners,
    tabulate_notebooks,
    write_junit,
)
from tutorial_utils.progress import progress_bar
from tutorial_utils.storage.files import write_atomically

EPILOG = """\
An exercise is "correct", "not yet" right, "not attempted", "crashed", "timed out", or "not reached": what it needs
failed before. The files handed in are read and never written to. Beside FILE, such as grades.csv, grades.jsonl keeps
every result as soon as it is there: --resume goes on from it, and several such files, named in place of notebooks,
make one table. A folder with train.py and predict.py is a capstone: its row has the stages that are passed, and the
reply to the first that is not.

What is not protected: the code that is handed in RUNS. In bubblewrap (--sandbox), it sees no network and no files but
Python's and the course's, and what it may use is limited. WITHOUT bubblewrap, it runs with your rights on your machine:
it can read and delete your files and use your network. Then use a container or an account that has nothing to lose,
unless you trust every author.

With and without, an answer runs in one process with what judges it. Ordinary ways to reach the judge are closed; who
knows Python well can still claim a result. What looks like that is marked "flagged": read that code yourself. With
--full, the notebook's own checks count, and there is neither a sandbox nor such a mark.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Grade the notebooks named on the command line and write the tables and pages; return 130 after Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    check_options(parser, options)
    files, earlier = find_files(options.notebooks)
    if not files and not earlier:
        parser.error(f"there is no notebook in {', '.join(map(str, options.notebooks))}.")
    learners = load_roster(parser, options.roster)
    limits = find_limits(parser, options)
    kept, store = load_results(parser, options, earlier)
    results: dict[str, Result] = {}
    status = 0
    try:
        grade_all(share(files, options.shard), learners, limits, options.jobs, Sink(results, kept, store))
    except KeyboardInterrupt:
        print(f"Stopped after {len(results)} notebooks; what is graded is kept.", file=sys.stderr)
        status = 130
    order = {str(file): number for number, file in enumerate(files)}
    everything = {result.file: result for result in [*merge(earlier), *results.values()]}
    report(options, sorted(everything.values(), key=lambda result: order.get(result.file, -1)), learners)
    return status


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(
        prog=program("grade"),
        description="Run what the exercises in notebooks need, and write which of them are solved, as a CSV table.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add, cores = (
        parser.add_argument,
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    )
    add("notebooks", nargs="+", type=Path, metavar="NOTEBOOK", help="a file, a folder to search, or earlier results")
    add("--output", type=Path, metavar="FILE", help="where the table goes (default: standard output)")
    add("--format", choices=["csv", "moodle", "canvas", "junit"], default="csv", help="of the table (default: csv)")
    add("--roster", type=Path, metavar="CSV", help="the list of a class: a row for each learner, missing ones, too")
    add("--assignment", default="PyTorch course", metavar="NAME", help="the column's name for Canvas")
    add("--pages", type=Path, metavar="FOLDER", help="write a web page for each learner, and one for the class")
    add("--resume", action="store_true", help="go on from the results of an earlier run with the same --output")
    add("--shard", type=parse_shard, default=(1, 1), metavar="2/8", help="grade one of so many equal shares")
    add("--jobs", type=int, default=cores, help="how many notebooks at once (default: one per core)")
    add("--timeout", type=float, metavar="SECONDS", help="for an exercise (default: 30), or a notebook in full (600)")
    add("--sandbox", choices=["auto", "require", "off"], default="auto", help="bubblewrap (default: if it works)")
    add("--full", action="store_true", help="run whole notebooks in kernels, training and all: slow")
    return parser


def parse_shard(text: str) -> tuple[int, int]:
    """Return the number of a share and how many there are, from a text such as "2/8"."""
    try:
        number, count = map(int, text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no share, such as 2/8") from None
    if not 1 <= number <= count:
        raise argparse.ArgumentTypeError(f"{text}: the shares are 1/{count} to {count}/{count}")
    return number, count


def check_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with an error where the options make no sense."""
    output = options.output
    if output and output.resolve() in [path.resolve() for path in options.notebooks]:
        parser.error(f"--output {output} is one of the notebooks: name another file.")
    if output and not output.parent.is_dir():
        parser.error(f"--output {output}: there is no folder {output.parent}.")
    if options.resume and not output:
        parser.error("--resume needs the --output of the run that it goes on with.")
    if options.format in ("moodle", "canvas") and not options.roster:
        parser.error(f"--format {options.format} needs a --roster: the list that {options.format.title()} exports.")


def find_files(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return the notebooks and the folders of capstones that are meant, and earlier results; folders are searched."""
    found: list[Path] = []
    for path in expand(paths):
        if path.is_dir():
            inside = [file for file in path.rglob("*.ipynb") if not any(part.startswith(".") for part in file.parts)]
            found += sorted(inside) + find_capstones(path)
        elif path.exists() or not set("*?[") & set(str(path)):
            found.append(path)
    earlier = [path for path in found if path.suffix == ".jsonl"]
    return list(dict.fromkeys(path for path in found if path not in earlier)), earlier


def share(files: Sequence[Path], shard: tuple[int, int]) -> list[Path]:
    """Return one of the equal shares of the files, whatever their order on the command line."""
    number, count = shard
    ordered = sorted(files, key=lambda file: (zlib.crc32(file.as_posix().encode()), file.as_posix()))
    mine = set(ordered[number - 1 :: count])
    return [file for file in files if file in mine]


def load_roster(parser: argparse.ArgumentParser, path: Path | None) -> list[Learner]:
    """Return the learners of the class, or end with an error."""
    if path is None:
        return []
    try:
        return read_roster(path)
    except (OSError, ValueError) as error:
        parser.error(f"--roster {path}: {getattr(error, 'strerror', None) or error}.")


def find_limits(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Limits:
    """Return what an exercise may use, or end with an error where a sandbox is required and there is none."""
    if options.full:
        return Limits(options.timeout or 600, full=True)
    reason = "it is switched off" if options.sandbox == "off" else find_bubblewrap()
    if reason and options.sandbox == "require":
        parser.error(f"--sandbox=require: {reason}.")
    if reason:
        print(f"No sandbox ({reason}): the code runs with your rights. --help tells more.", file=sys.stderr)
    return Limits(options.timeout or 30, sandboxed=not reason)


class Sink:
    """Where results go: `results` by file, and the file `store`; those in `kept` are there already."""

    def __init__(self, results: dict[str, Result], kept: dict[str, Result], store: Path | None) -> None:
        self.results, self.kept, self.store = results, kept, store

    def add(self, result: Result) -> None:
        """Take a result, and keep it at once."""
        self.results[result.file] = result
        if self.store and self.kept.get(result.file) != result:
            append_result(self.store, result)


def load_results(
    parser: argparse.ArgumentParser, options: argparse.Namespace, earlier: Sequence[Path]
) -> tuple[dict[str, Result], Path | None]:
    """Return the results to go on from, by file, and where new ones are kept; that file is begun anew, or goes on."""
    store = options.output.with_suffix(".jsonl") if options.output else None
    if store is None:
        return {}, None
    if store in earlier:
        parser.error(f"--output {options.output}: its results would overwrite {store}, one of those to merge.")
    kept: list[Result] = []
    if options.resume and store.exists():
        try:
            kept = read_results(store)
        except ValueError as error:
            parser.error(f"--resume: {store}: {error}.")
    write_results(store, kept)
    return {result.file: result for result in kept}, store


def grade_all(files: Sequence[Path], learners: Sequence[Learner], limits: Limits, jobs: int, sink: Sink) -> None:
    """Grade the notebooks that are not graded yet, and give each result to the sink."""
    tasks: dict[str, Task] = {}
    digests: dict[str, str] = {}
    for file in files:
        before = sink.kept.get(str(file))
        made = look_at_capstone(file, limits, before) if file.is_dir() else prepare(file, learners, limits)
        if isinstance(made, Result):
            sink.add(made)
        elif before and before.digest == made[0] and before.outcomes:
            sink.add(before)
        else:
            digests[str(file)], tasks[str(file)] = made
    graded = grade_tasks(list(tasks.values()), limits, jobs)
    for task, found in progress_bar(graded, title="grading", unit=" notebooks", total=len(tasks)):
        sink.add(Result(str(task.path), digests[str(task.path)], *found))


def look_at_capstone(folder: Path, limits: Limits, before: Result | None) -> Result:
    """Return what became of a capstone, which takes minutes, or the result `before` if nothing has changed since."""
    digest = digest_of(folder)
    if before and before.digest == digest and before.outcomes:
        return before
    print(f"The capstone in {folder}: up to 4 minutes.", file=sys.stderr)
    return Result(str(folder), digest, *grade_capstone(folder, limits.sandboxed))


def prepare(path: Path, learners: Sequence[Learner], limits: Limits) -> Result | tuple[str, Task]:
    """Return the task that a file is, with the digest of what its result depends on, or why it is none."""
    modules = find_keys()
    try:
        content = path.read_bytes()
        cells = parse_cells(content)
    except OSError as error:
        return Result(str(path), "", remark=f"cannot be read: {error.strerror}")
    except NoNotebookError as error:
        return Result(str(path), "", remark=f"is no notebook: {error}")
    module = find_module(cells, list(modules), path.name)
    if not module:
        return Result(str(path), "", remark="imports no exercises")
    found = find_learner(path, learners)
    learner = found.id if found else guess_learner(path, [name.removeprefix("ex") for name in modules])
    digest = hashlib.sha256(content + f"{limits.full} {limits.seconds}".encode()).hexdigest()
    return digest, Task(path, learner, module, modules[module], cells)


def merge(paths: Iterable[Path]) -> list[Result]:
    """Return the results in several files."""
    found = []
    for path in paths:
        try:
            found += read_results(path)
        except (OSError, ValueError) as error:
            print(f"{path} is left out: {error}.", file=sys.stderr)
    return found


def report(options: argparse.Namespace, results: Sequence[Result], learners: Sequence[Learner]) -> None:
    """Write the table and the pages that were asked for."""
    every = [key for keys in find_keys().values() for key in keys.values()] + [f"capstone.{name}" for name in HINTS]
    keys = find_columns(results, every)
    works = sort_by_learner(results, learners)
    if options.format == "junit":
        table = write_junit(results)
    elif options.format == "moodle":
        table = tabulate_for_moodle(works, keys)
    elif options.format == "canvas":
        table = tabulate_for_canvas(works, keys, options.assignment)
    else:
        table = tabulate_learners(works, keys) if learners else tabulate_notebooks(results, keys)
    if options.output:
        encoding = "utf-8" if options.format == "junit" else "utf-8-sig"  # by which Excel knows UTF-8
        with write_atomically(options.output) as file:
            file.write(table.encode(encoding))
    else:
        print(table, end="")
    if options.pages:
        write_pages(options.pages, works, keys)


def sort_by_learner(results: Iterable[Result], learners: Sequence[Learner]) -> list[Work]:
    """Return what each learner handed in, those of the list first, in its order; then those who are not on it."""
    works = {learner.id: Work(learner) for learner in learners}
    notebooks = [*(name.removeprefix("ex") for name in find_keys()), "capstone"]
    for result in results:
        found = find_learner(Path(result.file), learners)
        name = found.id if found else guess_learner(Path(result.file), notebooks)
        if name not in works:
            works[name] = Work(Learner(name, ""))
            result = replace(
                result, remark=" ; ".join(filter(None, ["not in the roster"] * bool(learners) + [result.remark]))
            )
        works[name].results.append(result)
    return list(works.values())
