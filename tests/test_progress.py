import io
import sys

import pytest

from tutorial_utils.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


class NotebookStream(io.StringIO):
    __module__ = "ipykernel.iostream"


def run(items=range(3), **kwargs):
    return list(progress_bar(items, title="counting", unit=" items", **kwargs))


@pytest.mark.parametrize(("stream", "drawn_on"), [(Terminal, "stderr"), (NotebookStream, "stdout")])
def test_the_bar_is_drawn_where_somebody_watches(monkeypatch, stream, drawn_on):
    streams = {"stdout": stream(), "stderr": stream()}
    for name, value in streams.items():
        monkeypatch.setattr(sys, name, value)

    assert run() == [0, 1, 2]
    silent = streams.keys() - {drawn_on}
    assert "counting" in streams[drawn_on].getvalue()
    assert all(streams[name].getvalue() == "" for name in silent)
    assert streams[drawn_on].getvalue().endswith("\r")  # the line is empty again for what comes next


def test_a_log_file_gets_no_bar(capsys):
    assert run() == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_a_bar_that_is_not_wanted_stays_away(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert run(show=False) == [0, 1, 2]
    assert sys.stderr.getvalue() == ""


def test_work_without_an_iterable_is_counted_up_to_its_total(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_bar(title="drawing", unit=" images", total=10) as bar:
        bar.update(10)
        bar.refresh()
    assert "100%" in sys.stderr.getvalue()
    assert "10/10" in sys.stderr.getvalue()
