"""Tables of the results: a row for each notebook or learner, gradebooks of Moodle and Canvas, and JUnit XML."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

from tutorial_utils.grading.learners import Learner
from tutorial_utils.grading.results import ALL_OUTCOMES, Result

RANK = ("correct", "not yet", "timed out", "crashed", "not reached", "not attempted", "")
FAILED = ("not yet", "crashed", "timed out", "not reached")


@dataclass(frozen=True)
class Work:
    """All that one learner handed in: of an exercise that is in several files, the best outcome counts."""

    learner: Learner
    results: list[Result] = field(default_factory=list)

    @property
    def best(self) -> dict[str, Result]:
        """For each exercise the result in which it is best."""
        found: dict[str, Result] = {}
        for result in self.results:
            for key, outcome in result.outcomes.items():
                if key not in found or RANK.index(outcome) < RANK.index(found[key].outcomes[key]):
                    found[key] = result
        return found

    @property
    def outcomes(self) -> dict[str, str]:
        """The best outcome of each exercise."""
        return {key: result.outcomes[key] for key, result in self.best.items()}

    @property
    def points(self) -> int:
        """How many exercises are correct."""
        return list(self.outcomes.values()).count("correct")

    @property
    def remark(self) -> str:
        """The remarks of all files."""
        if not self.results:
            return "nothing handed in"
        return "\n".join(dict.fromkeys(result.remark for result in self.results if result.remark))


def find_columns(results: Iterable[Result], every: Sequence[str]) -> list[str]:
    """Return the keys of the exercises that are in the results, in the order in which they stand in `every`."""
    asked = {key for result in results for key in result.outcomes}
    return [key for key in every if key in asked] + sorted(asked - set(every))


def tabulate_notebooks(results: Sequence[Result], keys: Sequence[str]) -> str:
    """Return a CSV table with a row for each notebook."""
    rows = [
        [result.file, *(result.outcomes.get(key, "") for key in keys), str(result.total), result.remark]
        for result in results
    ]
    return write_csv([["file", *keys, "total", "remark"], *rows])


def tabulate_learners(works: Sequence[Work], keys: Sequence[str]) -> str:
    """Return a CSV table with a row for each learner."""
    rows = []
    for work in works:
        outcomes = [work.outcomes.get(key, "") for key in keys]
        points = [str(work.points), str(len(keys))]
        rows.append([work.learner.id, work.learner.name, *outcomes, *points, work.remark])
    return write_csv([["id", "name", *keys, "points", "maximum", "remark"], *rows])


def tabulate_for_moodle(works: Sequence[Work], keys: Sequence[str]) -> str:
    """Return Moodle's grading worksheet, the roster, with grades and feedback filled in."""
    known = [work for work in works if work.learner.row]
    columns = list(known[0].learner.row) if known else []
    columns += [name for name in ("Grade", "Maximum Grade", "Feedback comments") if name not in columns]
    rows = []
    for work in known:
        filled = {"Grade": work.points, "Maximum Grade": len(keys), "Feedback comments": summarize(work)}
        rows.append([str((work.learner.row | filled).get(column, "")) for column in columns])
    return write_csv([columns, *rows])


def tabulate_for_canvas(works: Sequence[Work], keys: Sequence[str], assignment: str) -> str:
    """Return a file to import into Canvas's gradebook: the columns that it needs of the roster, and one with points."""
    known = [work for work in works if work.learner.row]
    needed = "Student", "ID", "SIS User ID", "SIS Login ID", "Section"
    columns = [name for name in needed if known and name in known[0].learner.row]
    possible = [["    Points Possible", *[""] * (len(columns) - 1), str(len(keys))]]
    rows = [[*(work.learner.row.get(column, "") for column in columns), str(work.points)] for work in known]
    return write_csv([[*columns, assignment], *possible, *rows])


def summarize(work: Work) -> str:
    """Return in one sentence what a learner has solved."""
    counts = {name: list(work.outcomes.values()).count(name) for name in ALL_OUTCOMES}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or work.remark


def write_csv(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as CSV; no text in them is taken for a formula by a spreadsheet."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(
        [f"'{text}" if text.startswith(("=", "+", "-", "@")) else text for text in row] for row in rows
    )
    return file.getvalue()


def write_junit(results: Sequence[Result]) -> str:
    """Return a report in JUnit's XML: a suite for each notebook, a case for each exercise."""
    root = ElementTree.Element("testsuites", name="exercises")
    for result in results:
        outcomes = list(result.outcomes.values())
        failed, skipped = sum(outcome in FAILED for outcome in outcomes), outcomes.count("not attempted")
        broken = not outcomes  # the file itself
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=result.file,
            tests=str(len(outcomes) or 1),
            failures=str(failed),
            skipped=str(skipped),
            errors=str(int(broken)),
        )
        for key, outcome in result.outcomes.items():
            notebook, _, name = key.partition(".")
            case = ElementTree.SubElement(suite, "testcase", classname=notebook, name=name)
            reply = printable(result.replies.get(key, ""))
            if outcome in FAILED:
                ElementTree.SubElement(case, "failure", message=outcome).text = reply
            elif outcome == "not attempted":
                ElementTree.SubElement(case, "skipped", message=outcome)
        if broken:
            case = ElementTree.SubElement(suite, "testcase", classname=result.file, name="notebook")
            ElementTree.SubElement(case, "error", message=printable(result.remark))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def printable(text: str) -> str:
    """Return a text without the control characters that XML cannot hold."""
    return "".join(letter for letter in text if letter >= " " or letter in "\n\t")
