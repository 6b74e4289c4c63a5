"""The page of common mistakes has every exercise, and what its check knows."""

import pytest

pytest.importorskip("sphinx", reason="the site is not set up here")

from docs import mistakes
from tutorial_utils.exercises.catalogue import every_exercise


def test_the_page_tells_the_mistakes_of_every_exercise(tmp_path, monkeypatch):
    monkeypatch.setattr(mistakes, "PAGE", tmp_path / "mistakes.md")
    mistakes.write(None)
    text = mistakes.PAGE.read_text(encoding="utf-8")
    for exercise in every_exercise():
        assert f"### {exercise.title}\n" in text
        for sentence in exercise.known_mistakes:
            assert sentence[1:] in text
    before = mistakes.PAGE.stat().st_mtime_ns
    mistakes.write(None)
    assert mistakes.PAGE.stat().st_mtime_ns == before
