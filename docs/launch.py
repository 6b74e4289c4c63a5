"""The links that open the course elsewhere, in the READMEs: `python -m docs.launch` writes them, a test compares.

They are made of one address, `Repository` in pyproject.toml; while it is not set, there are none. The site shows those
of the READMEs.

Sources: https://mybinder.readthedocs.io, https://docs.github.com/codespaces, https://colab.research.google.com/github
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- launch -->\n", "<!-- end of launch -->"
INTRODUCTIONS = {  # by file
    "README.md": "**In a browser:** open the first notebook in",
    "README.zh-CN.md": "**在浏览器里**打开第一个 notebook：",
}
FIRST = "notebooks/00_quickstart.ipynb"


def find_address() -> str | None:
    """Return the address of the repository that pyproject.toml names, or None."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"].get("urls", {})
    address: str | None = urls.get("Repository")
    return address


def links(address: str) -> dict[str, str]:
    """Return, by the name of the place, the link that opens the repository at `address` there.

    Raises:
        ValueError: the address is not one of GitHub, the only one that all four of them open.
    """
    match = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(\.git)?/?", address)
    if match is None:
        raise ValueError(f"Repository = {address!r} is no https://github.com/OWNER/NAME: launch links need one.")
    repository = match.group(1)
    return {
        "Colab": f"https://colab.research.google.com/github/{repository}/blob/main/{FIRST}",
        "Kaggle": f"https://kaggle.com/kernels/welcome?src=https://github.com/{repository}/blob/main/{FIRST}",
        "Binder": f"https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/{FIRST}",
        "Codespaces": f"https://codespaces.new/{repository}?quickstart=1",
    }


def with_links(readme: str, introduction: str, address: str | None) -> str:
    """Return the text of a README with the links to `address`, or none, between its two marks."""
    before, rest = readme.split(BEGIN)
    line = ""
    if address:
        places = " · ".join(f"[{name}]({link})" for name, link in links(address).items())
        line = f"\n{introduction} {places}\n\n"
    return f"{before}{BEGIN}{line}{END}{rest.split(END)[1]}"


def main() -> None:
    """Write the links into the READMEs."""
    address = find_address()
    for name, introduction in INTRODUCTIONS.items():
        path = ROOT / name
        try:
            text = with_links(path.read_text(encoding="utf-8"), introduction, address)
        except ValueError as error:
            sys.exit(str(error))
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
