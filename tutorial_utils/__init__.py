"""The code that the notebooks share: every lesson shows its part, and the next one imports it.

One way to import each name: from the module that holds it, such as `from tutorial_utils.loops import train_loop`.
"""

from tutorial_utils.versions import explain_missing_names

explain_missing_names()
