"""Web pages of the results: one for each learner with every reply, and one for the class."""

import re
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path

from tutorial_utils.grading.tables import RANK, Work

COLORS = {  # told apart by colour-blind readers, too
    "correct": "#0072b2",
    "not yet": "#e69f00",
    "timed out": "#cc79a7",
    "crashed": "#d55e00",
    "not reached": "#8a8a8a",
    "not attempted": "#dddddd",
    "": "#ffffff",
}
TRIED = ("not yet", "timed out", "crashed")
FLAGGED = r"(^|; )flagged: [^\n]*"  # the last part of a notebook's remark
COMMONEST = 3  # replies of an exercise that the page of the class shows
SQUARE = 14  # units of the picture for one exercise of one learner
STYLE = """\
body { max-width: 60rem; margin: 0 auto; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #222; }
h2 { margin-top: 2rem; } ol, ul { padding-left: 1.2rem; } h3, li { overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0 1rem; padding: .5rem; background: #f5f5f5; }
.mark { display: inline-block; width: .8em; height: .8em; margin-right: .3em; border: 1px solid #999; }
.bar { display: flex; height: .8rem; border: 1px solid #999; } .bar span { display: block; }
svg { display: block; max-width: 100%; height: auto; } .small { color: #555; font-size: .9rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .2rem .6rem .2rem 0; }
"""


def write_pages(folder: Path, works: Sequence[Work], keys: Sequence[str]) -> None:
    """Write `index.html`, the page of the class, and a page for each learner beside it.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = name_files(works)
    for work, name in zip(works, names, strict=True):
        (folder / name).write_text(show_learner(work, keys), encoding="utf-8")
    (folder / "index.html").write_text(show_class(works, keys, names), encoding="utf-8")


def name_files(works: Sequence[Work]) -> list[str]:
    """Return a file name for each learner's page, no two the same, on disks that ignore case, too."""
    names: list[str] = []
    for work in works:
        plain = re.sub(r"[^\w-]+", "-", work.learner.id).strip("-") or "learner"
        taken = sum(name.lower().startswith(plain.lower()) for name in names)
        names.append(f"{plain}-{taken + 1}.html" if taken or plain.lower() == "index" else f"{plain}.html")
    return names


def page(title: str, body: str) -> str:
    """Return a whole page."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def mark(outcome: str) -> str:
    """Return a coloured square."""
    return f'<span class="mark" style="background: {COLORS[outcome]}"></span>'


def show_learner(work: Work, keys: Sequence[str]) -> str:
    """Return the page of a learner: points, remarks, and the reply to every exercise.

    What is flagged stands on the page of the class alone: it is for the teacher to judge.
    """
    parts = [f"<p><b>{work.points} of {len(keys)} exercises solved.</b></p>"]
    if work.remark:
        parts.append(f"<p>{escape(re.sub(FLAGGED, '', work.remark))}</p>")
    best, last = work.best, ""
    for key in keys:
        notebook, _, name = key.partition(".")
        if notebook != last:
            parts.append(f"<h2>{escape(notebook)}</h2>")
            last = notebook
        outcome = work.outcomes.get(key, "")
        parts.append(f"<div>{mark(outcome)}<b>{escape(name)}</b>: {escape(outcome or 'not handed in')}</div>")
        reply = best[key].replies.get(key, "") if key in best else ""
        if outcome not in ("not attempted", "") and reply not in ("", "Correct."):
            parts.append(f"<pre>{escape(reply)}</pre>")
    return page(work.learner.name or work.learner.id, "\n".join(parts))


def show_class(works: Sequence[Work], keys: Sequence[str], names: Sequence[str]) -> str:
    """Return the page of the class: a picture, what to teach again, and a link to every learner."""
    handed_in = [work for work in works if work.results]
    parts = [
        f"<p>{len(handed_in)} of {len(works)} learners handed something in; {len(keys)} exercises.</p>",
        f"<p>{' '.join(f'{mark(name)}{name} ' for name in COLORS if name)}</p>",
        draw_class(works, keys),
        '<p class="small">A row for each learner, a column for each exercise, in the order of the notebooks. '
        "A column without blue is one to teach again.</p>",
    ]
    parts += ["<h2>Exercises</h2>", *(show_exercise(key, works) for key in keys)]
    rows = "".join(
        f'<tr><td><a href="{escape(name)}">{escape(work.learner.name or work.learner.id)}</a></td>'
        f"<td>{work.points} of {len(keys)}</td><td>{escape(work.remark)}</td></tr>\n"
        for work, name in zip(works, names, strict=True)
    )
    parts.append(f"<h2>Learners</h2>\n<table>\n<tr><th>learner<th>solved<th>remark</tr>\n{rows}</table>")
    return page("The class", "\n".join(parts))


def show_exercise(key: str, works: Sequence[Work]) -> str:
    """Return how an exercise went: how many solved it, tried it, did not reach it, and the commonest replies."""
    counts = Counter(work.outcomes.get(key, "") for work in works)
    tried, without = sum(counts[name] for name in TRIED), counts["not attempted"] + counts[""]
    bar = "".join(
        f'<span style="width: {100 * counts[name] / len(works):.1f}%; background: {COLORS[name]}"></span>'
        for name in RANK
        if counts[name]
    )
    replies = Counter[str]()
    shown: dict[str, str] = {}
    for work in works:
        result = work.best.get(key)
        if result and result.outcomes[key] in TRIED:
            alike = unify(result.replies.get(key, ""))
            replies[alike] += 1
            shown.setdefault(alike, result.replies.get(key, ""))
    items = "".join(
        f"<li>{count} ×: {show_reply(shown[alike])}</li>\n" for alike, count in replies.most_common(COMMONEST) if alike
    )
    return (
        f"<h3>{escape(key)}</h3>\n<p>{counts['correct']} solved, {tried} tried, {counts['not reached']} not reached, "
        f'{without} not attempted</p>\n<div class="bar">{bar}</div>\n<ul>\n{items}</ul>'
    )


def show_reply(reply: str) -> str:
    """Return a reply as HTML, its code in the letters of code."""
    return re.sub("`(.+?)`", r"<code>\1</code>", escape(reply))


def unify(reply: str) -> str:
    """Return what replies to one mistake have in common: all but the numbers."""
    return re.sub(r"-?\d[\d.]*", "0", reply)


def draw_class(works: Sequence[Work], keys: Sequence[str]) -> str:
    """Return the picture of the class: a square for each exercise of each learner."""
    squares = [
        f'<rect x="{column * SQUARE}" y="{row * SQUARE}" width="{SQUARE - 1}" height="{SQUARE - 1}" '
        f'fill="{COLORS[outcome]}"><title>{escape(work.learner.name or work.learner.id)}: {escape(key)}: '
        f"{outcome or 'not handed in'}</title></rect>"
        for row, work in enumerate(works)
        for column, key in enumerate(keys)
        for outcome in [work.outcomes.get(key, "")]
    ]
    width, height = max(1, len(keys)) * SQUARE, max(1, len(works)) * SQUARE
    solved = sum(work.points for work in works)
    about = f"{solved} of {len(works) * len(keys)} exercises of the class are solved"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{about}">{"".join(squares)}</svg>'
    )
