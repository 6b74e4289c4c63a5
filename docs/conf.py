"""How Sphinx makes the site: `make site` runs it on the repository, with this folder as its configuration."""

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import snowballstemmer
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.search import SearchLanguage
from sphinx.search._stopwords.en import ENGLISH_STOPWORDS
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

from docs import lessons, pages
from docs.execute import ROOT, TIMEOUT, cache_folder

project = "PyTorch from nothing"
html_title = project
language = "en"
root_doc = "docs/index"
include_patterns = ["notebooks/*.ipynb", "docs/**"]
exclude_patterns = [".*", "build", "mutants", "work", "tests", "**/.ipynb_checkpoints", "docs/_*"]
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]

# The notebooks: `python -m docs.execute` has run them.
nb_execution_mode = "cache"
nb_execution_cache_path = str(cache_folder())
nb_execution_raise_on_error = True
nb_execution_timeout = TIMEOUT
nb_merge_streams = True

# The pages of the package
default_role = "code"  # docstrings are written in Markdown's way, with single backticks
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "show-inheritance": True,
    "exclude-members": "set",
}
autodoc_preserve_defaults = True
autosummary_generate = False
autodoc_typehints = "none"
add_module_names = False
smartquotes_action = "q"  # quotation marks, and not the dashes of options

# What the pages look like
html_theme = "sphinx_book_theme"
html_theme_options = {
    "logo": {"text": project},
    "use_fullscreen_button": False,
    "navbar_start": [],
    "navbar_persistent": [],  # the search is in the sidebar
    "footer_content_items": [],
    "show_navbar_depth": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is, until they choose
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_js_files = ["course.js"]
html_extra_path = ["_extra"]  # the page at the top, which leads to docs/index.html
html_sourcelink_suffix = ""  # a page's notebook is downloaded under its own name
html_search_language = "zh"  # that of the class below, which knows English as well
html_copyright = html_show_copyright = html_show_sphinx = False
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"

html_math_renderer = "mathml"


def visit_math(self: HTML5Translator, node: nodes.Node) -> None:
    """Write a formula as MathML, which browsers show by themselves, without a script."""
    self.body.append(tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block)))
    raise nodes.SkipNode


class SearchChineseAndEnglish(SearchLanguage):
    """A search in Chinese and English: pages and queries are cut alike, Chinese into pairs of characters."""

    lang = "zh"
    language_name = "English"  # whose stemmer the script has
    js_stemmer_rawcode = "english-stemmer.js"
    js_splitter_code = """
var splitQuery = (query) =>
  (query.match(/\\p{Script=Han}+|[a-z0-9_]+/giu) ?? []).flatMap((run) =>
    /\\p{Script=Han}/u.test(run) && run.length > 2
      ? [...run].slice(1).map((character, place) => run[place] + character)
      : [run],
  );
"""
    stopwords = ENGLISH_STOPWORDS

    def __init__(self, options: dict[str, str]) -> None:
        super().__init__(options)
        self.stemmer = snowballstemmer.stemmer("english")

    def split(self, text: str) -> list[str]:
        """Return the words of a text: English ones, and every pair of neighbouring Chinese characters."""
        runs = re.findall(r"[\u4e00-\u9fff]+|[A-Za-z0-9_]+", text)
        pairs = [["".join(pair) for pair in pairwise(run)] if "\u4e00" <= run[0] <= "\u9fff" else [run] for run in runs]
        return [word for words in pairs for word in words]

    def stem(self, word: str) -> str:
        return str(self.stemmer.stemWord(word.lower()))

    def word_filter(self, word: str) -> bool:
        return len(word) > 1 and word not in self.stopwords


def skip_field(app: Sphinx, kind: str, name: str, value: object, *_: object) -> bool | None:
    """Leave out the fields of a named tuple, of which Python says no more than their number: its class tells."""
    return True if str(value.__doc__).startswith("Alias for field") else None


def forget_the_machine(app: Sphinx, doctree: nodes.document) -> None:
    """Shorten the paths in error messages: a reader's course is in another folder."""
    for block in doctree.findall(nodes.literal_block):
        if f"{ROOT}/" in (text := block.astext()):
            block[:] = [nodes.Text(text.replace(f"{ROOT}/", ""))]


def warn_of_missing_alt(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Warn, which ends the build, of each figure without an alternative text."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt"):
            logging.getLogger(__name__).warning("a figure without an alternative text", location=image)


def add_course(app: Sphinx, exception: Exception | None) -> None:
    """Put the course's folder, as it is committed, beside the pages, for readers who want to work with it."""
    if exception is None:
        zipped = Path(app.outdir, "pytorch-course.zip")
        command = ["git", "archive", "--format=zip", "--prefix=pytorch-course/", "-o", str(zipped), "HEAD"]
        subprocess.run(command, cwd=ROOT, check=True)


def setup(app: Sphinx) -> None:
    """Add to Sphinx what is defined here."""
    app.add_search_language(SearchChineseAndEnglish)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
    app.connect("builder-inited", pages.write)
    app.connect("build-finished", add_course)
    app.connect("autodoc-skip-member", skip_field)
    app.connect("doctree-read", forget_the_machine)
    app.connect("doctree-read", lessons.mark_boxes)
    app.connect("doctree-read", lessons.fold_hints)
    app.connect("html-page-context", lessons.set_language)
    app.connect("doctree-resolved", warn_of_missing_alt)
