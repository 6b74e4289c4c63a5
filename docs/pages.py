"""Writes the pages that are made of the course itself, each time the site is made; they are not committed."""

from pathlib import Path

from sphinx.application import Sphinx

from docs import glossary, mistakes

FOLDER = Path(__file__).parent
PAGES = {"mistakes.md": mistakes.page, "glossary.md": glossary.glossary, "cheatsheet.md": glossary.cheat_sheet}


def write(app: Sphinx) -> None:
    """Write each page, unless it is there as it should be: Sphinx reads again what has changed."""
    for name, make in PAGES.items():
        file, text = FOLDER / name, make()
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
