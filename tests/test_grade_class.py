"""Grading a class: which files are meant, who handed them in, tables, gradebooks, pages, and going on."""

import csv
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from test_grade import dump, read_table

from tutorial_utils.grading.capstone import grade_capstone
from tutorial_utils.grading.learners import Learner, find_learner, guess_learner, read_roster
from tutorial_utils.grading.pages import write_pages
from tutorial_utils.grading.pool import find_keys
from tutorial_utils.grading.results import Result, append_result, read_results
from tutorial_utils.grading.tables import Work
from tutorial_utils.tools import grade as tool
from tutorial_utils.tools.grade import main

IMPORT = "from tutorial_utils.exercises import {} as ex"
ADVICE = "Not yet. Your result is {}, expected 6: you squared it."
SOLVED, TRIED = "# solved", "# tried"


@pytest.fixture
def graded(monkeypatch):
    """Makes grading take no time: a notebook's last cell says what becomes of it; returns the graded paths."""
    paths = []

    def pretend(tasks, limits, jobs):
        for task in tasks:
            paths.append(str(task.path))
            last = task.cells[-1].source
            if "Ctrl-C" in last:
                raise KeyboardInterrupt
            outcomes = dict.fromkeys(task.keys.values(), "not attempted")
            replies = dict.fromkeys(task.keys.values(), "Not attempted yet.")
            first = next(iter(outcomes))
            if SOLVED in last:
                outcomes[first], replies[first] = "correct", "Correct."
            if TRIED in last:
                outcomes[first], replies[first] = "not yet", ADVICE.format(len(paths))
            yield task, (outcomes, replies, last.partition("remark: ")[2])

    monkeypatch.setattr(tool, "grade_tasks", pretend)
    monkeypatch.setattr(tool, "find_bubblewrap", lambda: "it is not there")
    return paths


@pytest.fixture
def hand_in(tmp_path):
    """Returns a function that hands a notebook of module `ex01_tensors` or another in, and returns its path."""

    def write(name, last="", module="ex01_tensors"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dump(IMPORT.format(module), last))
        return path

    return write


@pytest.fixture
def run(capsys):
    """Returns a function that does what the command does, and returns the table that it prints."""

    def call(*arguments):
        main([str(argument) for argument in arguments])
        return read_table(capsys.readouterr().out)

    return call


def read_csv(path):
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


# ------------------------------------------------------------------------------------------------------------ files


def test_folders_are_searched_and_patterns_expanded(graded, hand_in, run, tmp_path):
    files = [hand_in(name) for name in ("b/one.ipynb", "b/deep/two.ipynb", "c.ipynb")]
    hand_in("b/.ipynb_checkpoints/one-checkpoint.ipynb")
    rows = run(tmp_path / "b", tmp_path / "*.ipynb")
    assert {row["file"] for row in rows} == set(map(str, files)) == set(graded)


@pytest.mark.parametrize("arguments", [["no*.ipynb"], ["folder"], []])
def test_no_notebook_at_all_is_an_error(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "notebook" in capsys.readouterr().err.lower()


def test_a_missing_file_gets_a_row(graded, run, tmp_path):
    (row,) = run(tmp_path / "missing.ipynb")
    assert row["remark"].startswith("cannot be read: ")
    assert row["total"] == "0"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--output", "one.ipynb"], "is one of the notebooks"),
        (["--output", "no/x.csv"], "there is no folder"),
        (["--resume"], "--resume needs the --output"),
        (["--format", "moodle"], "needs a --roster: the list that Moodle exports"),
        (["--roster", "no.csv"], "--roster no.csv: No such file"),
        (["--shard", "3/2"], "the shares are 1/2 to 2/2"),
        (["--shard", "half"], "half is no share, such as 2/8"),
        (["--sandbox", "require"], "--sandbox=require: it is not there"),
    ],
)
def test_an_option_that_makes_no_sense_says_why(arguments, reason, graded, hand_in, tmp_path, monkeypatch, capsys):
    content = hand_in("one.ipynb").read_bytes()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as error:
        main(["one.ipynb", *arguments])
    assert error.value.code == 2
    assert reason in capsys.readouterr().err
    assert (tmp_path / "one.ipynb").read_bytes() == content
    assert graded == []


# ------------------------------------------------------------------------------------- going on, shares, merging


def test_rows_are_kept_as_they_are_done_and_a_later_run_goes_on(graded, hand_in, tmp_path, capsys):
    first, stop = hand_in("a.ipynb", SOLVED), hand_in("b.ipynb", "Ctrl-C")
    output = tmp_path / "grades.csv"
    assert main([str(first), str(stop), "--output", str(output)]) == 130
    assert "Stopped after 1 notebooks" in capsys.readouterr().err
    assert [row["total"] for row in read_table(output.read_text("utf-8"))] == ["1"]
    with (tmp_path / "grades.jsonl").open("a") as file:
        file.write('{"file": "cut sh')  # as a power cut leaves it
    hand_in("b.ipynb", TRIED)
    graded.clear()
    assert main([str(first), str(stop), "--output", str(output), "--resume"]) == 0
    assert graded == [str(stop)]
    assert [row["total"] for row in read_table(output.read_text("utf-8"))] == ["1", "0"]
    hand_in("a.ipynb", TRIED)  # handed in anew
    graded.clear()
    main([str(first), str(stop), "--output", str(output), "--resume"])
    assert graded == [str(first)]


def test_without_resume_everything_is_graded_anew(graded, hand_in, tmp_path):
    path = hand_in("a.ipynb")
    for _ in range(2):
        main([str(path), "--output", str(tmp_path / "grades.csv")])
    assert graded == [str(path)] * 2
    assert len(read_results(tmp_path / "grades.jsonl")) == 1


def test_shares_make_up_the_whole_and_their_results_merge(graded, hand_in, run, tmp_path):
    files = [hand_in(f"{number:02}.ipynb", SOLVED) for number in range(10)]
    parts = []
    for number in (1, 2, 3):
        parts.append(tmp_path / f"part{number}.csv")
        main([*map(str, files), "--shard", f"{number}/3", "--output", str(parts[-1])])
    assert sorted(graded) == sorted(map(str, files))
    assert sorted(len(read_table(part.read_text("utf-8"))) for part in parts) == [3, 3, 4]
    graded.clear()
    rows = run(*(part.with_suffix(".jsonl") for part in parts))
    assert graded == []
    assert sorted(row["file"] for row in rows) == list(map(str, files))
    assert all(row["total"] == "1" for row in rows)


def test_a_file_of_other_lines_is_no_file_of_results(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n{"b": 2}\n')
    with pytest.raises(ValueError, match="line 1 is no result of grading"):
        read_results(tmp_path / "x.jsonl")


def test_results_come_back_as_they_were(tmp_path):
    results = [Result("甲.ipynb", "1", {"01_tensors.pick": "correct"}, {"01_tensors.pick": "对\n"}, "remark")]
    append_result(tmp_path / "r.jsonl", results[0])
    assert read_results(tmp_path / "r.jsonl") == results


# --------------------------------------------------------------------------------------------------------- learners


CLASS = [
    Learner("1001", "Anna Smith", {"id": "1001", "name": "Anna Smith", "username": "anna-s"}),
    Learner("1002", "张伟", {"id": "1002", "name": "张伟", "username": "zhangw"}),
    Learner("1003", "Ann Smithson", {"id": "1003", "name": "Ann Smithson", "email": "ann@school.edu"}),
]


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("Anna Smith_55_assignsubmission_file_/05_autograd.ipynb", "1001"),  # Moodle
        ("张伟_56_assignsubmission_file_/05_autograd.ipynb", "1002"),
        ("smithanna_LATE_77_880_05_autograd.ipynb", "1001"),  # Canvas
        ("smithsonann_78_881_05_autograd-1.ipynb", "1003"),
        ("course-submissions/course-anna-s/notebooks/05_autograd.ipynb", "1001"),  # GitHub Classroom
        ("course-zhangw/05_autograd.ipynb", "1002"),
        ("1003/05_autograd.ipynb", "1003"),
        ("05_autograd_ann.ipynb", "1003"),
        ("21001/05_autograd.ipynb", None),
        ("1001_1002/05_autograd.ipynb", None),  # whose?
        ("joanna-smith.ipynb", None),
    ],
)
def test_a_file_is_found_to_be_the_learners_whose_sign_it_bears(path, number):
    found = find_learner(Path(path), CLASS)
    assert (found and found.id) == number


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("in/Anna Smith_55_assignsubmission_file_/05_autograd.ipynb", "Anna Smith 55"),
        ("in/smithanna_LATE_77_880_05_autograd.ipynb", "smithanna 77"),
        ("course-submissions/course-anna-s/notebooks/05_autograd.ipynb", "course-anna-s"),
        ("in/anna/05_autograd.ipynb", "anna"),
        ("in/05_autograd-anna.ipynb", "anna"),
        ("in/anna/05_autograd (1).ipynb", "anna"),
        ("in/anna/05_autograd-Copy1.ipynb", "anna"),
    ],
)
def test_without_a_list_names_come_from_files_and_folders(path, name):
    assert guess_learner(Path(path), [name.removeprefix("ex") for name in find_keys()]) == name


ROSTERS = {
    "plain": ("id,name\n1,Anna\n2,张伟\n", "utf-8", [("1", "Anna"), ("2", "张伟")]),
    "Excel": ("id;name\n1;Anna\n2;张伟\n", "utf-8-sig", [("1", "Anna"), ("2", "张伟")]),
    "Excel in China": ("学号,姓名\n1,Anna\n2,张伟\n", "gb18030", [("1", "Anna"), ("2", "张伟")]),
    "Moodle": (
        'Identifier,"Full name","Email address"\nParticipant 5,Anna Smith,a@b.c\n',
        "utf-8-sig",
        [("Participant 5", "Anna Smith")],
    ),
    "Canvas": (
        'Student,ID,SIS User ID,SIS Login ID,Section\n"    Points Possible",,,,\n"Smith, Anna",77,s1,anna,A\n',
        "utf-8",
        [("77", "Smith, Anna")],
    ),
    "GitHub": (
        '"identifier","github_username","github_id","name"\n"anna","anna-s","9",""\n',
        "utf-8",
        [("anna", "")],
    ),
}


@pytest.mark.parametrize("kind", ROSTERS)
def test_the_lists_of_classes_are_understood(kind, tmp_path):
    text, encoding, learners = ROSTERS[kind]
    (tmp_path / "list.csv").write_text(text, encoding=encoding)
    assert [(learner.id, learner.name) for learner in read_roster(tmp_path / "list.csv")] == learners


def test_a_list_without_ids_and_names_says_what_it_lacks(tmp_path):
    (tmp_path / "list.csv").write_text("grade,room\n1,2\n")
    with pytest.raises(ValueError, match=r"none of its columns \(grade, room\) is known: name one `id`"):
        read_roster(tmp_path / "list.csv")


# ----------------------------------------------------------------------------------------------------------- tables


@pytest.fixture
def roster(tmp_path):
    path = tmp_path / "students.csv"
    path.write_text("id,name\n1001,Anna Smith\n1002,张伟\n1003,Nobody\n", encoding="utf-8")
    return path


def test_a_roster_makes_a_row_for_each_learner_over_all_notebooks(graded, hand_in, roster, tmp_path):
    hand_in("in/1001/01_tensors.ipynb", SOLVED)
    hand_in("in/1001/01_tensors (1).ipynb", TRIED)  # the better one counts
    hand_in("in/1001/05_autograd.ipynb", SOLVED, "ex05_autograd")
    hand_in("in/张伟/01_tensors.ipynb", f"{TRIED} remark: =look")
    hand_in("in/stranger/01_tensors.ipynb", SOLVED)
    output = tmp_path / "grades.csv"
    main([str(tmp_path / "in"), "--roster", str(roster), "--output", str(output)])
    assert output.read_bytes().startswith(b"\xef\xbb\xbf")  # by which Excel knows UTF-8
    columns, *rows = read_csv(output)
    keys = [*find_keys()["ex01_tensors"].values(), *find_keys()["ex05_autograd"].values()]
    assert columns == ["id", "name", *keys, "points", "maximum", "remark"]
    short = [[row[0], row[1], row[2], *row[-3:]] for row in rows]
    most = str(len(keys))
    assert short == [
        ["1001", "Anna Smith", "correct", "2", most, ""],
        ["1002", "张伟", "not yet", "0", most, "'=look"],
        ["1003", "Nobody", "", "0", most, "nothing handed in"],
        ["stranger", "", "correct", "1", most, "not in the roster"],
    ]


def test_the_gradebook_of_moodle_comes_back_filled_in(graded, hand_in, tmp_path):
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(
        "Identifier,Full name,Grade,Maximum Grade,Feedback comments\n"
        "Participant 55,Anna Smith,,100,\nParticipant 56,Bo,,100,\n"
    )
    hand_in("in/Anna Smith_55_assignsubmission_file_/01_tensors.ipynb", SOLVED)
    main([str(tmp_path / "in"), "--roster", str(sheet), "--format", "moodle", "--output", str(tmp_path / "m.csv")])
    count = len(find_keys()["ex01_tensors"])
    assert read_csv(tmp_path / "m.csv") == [
        ["Identifier", "Full name", "Grade", "Maximum Grade", "Feedback comments"],
        ["Participant 55", "Anna Smith", "1", str(count), f"1 correct, {count - 1} not attempted"],
        ["Participant 56", "Bo", "0", str(count), "nothing handed in"],
    ]


def test_the_gradebook_of_canvas_gets_a_column(graded, hand_in, tmp_path):
    book = tmp_path / "book.csv"
    book.write_text(ROSTERS["Canvas"][0])
    hand_in("in/smithanna_77_880_01_tensors.ipynb", SOLVED)
    arguments = ["--format", "canvas", "--assignment", "Week 2", "--output", str(tmp_path / "c.csv")]
    main([str(tmp_path / "in"), "--roster", str(book), *arguments])
    count = str(len(find_keys()["ex01_tensors"]))
    assert read_csv(tmp_path / "c.csv") == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Week 2"],
        ["    Points Possible", "", "", "", "", count],
        ["Smith, Anna", "77", "s1", "anna", "A", "1"],
    ]


def test_junit_has_a_case_for_each_exercise(graded, hand_in, tmp_path):
    hand_in("in/a.ipynb", SOLVED)
    hand_in("in/b.ipynb", TRIED)
    (tmp_path / "in" / "c.ipynb").write_text("no notebook")
    main([str(tmp_path / "in"), "--format", "junit", "--output", str(tmp_path / "r.xml")])
    first, second, broken = ElementTree.parse(tmp_path / "r.xml").getroot()
    count = len(find_keys()["ex01_tensors"])
    assert (first.get("tests"), first.get("failures"), first.get("skipped")) == (str(count), "0", str(count - 1))
    assert (second.get("failures"), second[0].get("classname"), second[0].get("name")) == ("1", "01_tensors", "hours")
    assert second[0].find("failure").text == ADVICE.format(2)
    assert broken.get("errors") == "1"
    assert "is no notebook" in broken[0].find("error").get("message")


# ------------------------------------------------------------------------------------------------------------ pages


def make_work(name, outcome, reply="", remark=""):
    result = Result(name, "", {"01_tensors.pick": outcome}, {"01_tensors.pick": reply}, remark)
    return Work(Learner(name, name), [result])


def test_there_is_a_page_for_each_learner_and_one_for_the_class(tmp_path):
    works = [
        make_work("Anna", "correct", "Correct."),
        make_work("anna", "crashed", "NameError: <x> & y"),
        make_work("../../etc", "not yet", ADVICE.format(1), "<script>alert(1)</script>"),
        make_work("Bo", "not yet", ADVICE.format(2), "KeyError in cell 2; flagged: pick: gc.get_objects"),
        make_work("Cy", "not reached"),
        Work(Learner("张伟", "张伟")),
    ]
    write_pages(tmp_path / "pages", works, ["01_tensors.pick"])
    names = {path.name for path in (tmp_path / "pages").iterdir()}
    assert names == {"index.html", "Anna.html", "anna-2.html", "etc.html", "Bo.html", "Cy.html", "张伟.html"}
    whole = (tmp_path / "pages" / "index.html").read_text("utf-8")
    assert "5 of 6 learners handed something in" in whole
    assert "1 solved, 3 tried, 1 not reached, 1 not attempted" in whole
    assert f"2 ×: {ADVICE.format(1)}" in whole  # alike but for a number
    assert "1 ×: NameError: &lt;x&gt; &amp; y" in whole
    assert "<script>" not in whole
    assert len(re.findall("<rect ", whole)) == 6
    for link in re.findall('href="([^"]+)"', whole):
        assert link in names
    own = (tmp_path / "pages" / "Bo.html").read_text("utf-8")
    assert "0 of 1 exercises solved" in own
    assert "<p>KeyError in cell 2</p>" in own  # what is flagged is for the teacher
    assert "flagged: pick" in whole
    assert ADVICE.format(2) in own
    assert "nothing handed in" in (tmp_path / "pages" / "张伟.html").read_text("utf-8")


def test_the_command_writes_pages(graded, hand_in, run, tmp_path):
    hand_in("in/anna/01_tensors.ipynb", TRIED)
    run(tmp_path / "in", "--pages", tmp_path / "pages")
    assert ADVICE.format(1) in (tmp_path / "pages" / "anna.html").read_text("utf-8")


def test_help_says_what_it_does_and_what_it_does_not_protect_from(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        "the code that is handed in RUNS",
        "WITHOUT bubblewrap",
        "with your rights",
        "can still claim a result",
    ):
        assert words in said


def test_what_is_kept_is_json_that_a_person_can_read(graded, hand_in, tmp_path):
    path = hand_in("张伟.ipynb", SOLVED)
    main([str(path), "--output", str(tmp_path / "g.csv")])
    line = (tmp_path / "g.jsonl").read_text("utf-8")
    assert "张伟" in line
    assert json.loads(line)["outcomes"]["01_tensors.hours"] == "correct"


@pytest.mark.parametrize("page", ["docs/teaching.md", "docs/teaching.zh.md", "README.md", "README.zh-CN.md"])
def test_the_commands_of_the_documentation_are_understood(page):
    text = (Path(__file__).parent.parent / page).read_text(encoding="utf-8")
    commands = re.findall(r"tutorial_utils\.grade ([^`\n]+)", text)
    assert commands
    for command in commands:
        tool.make_parser().parse_args(command.replace("$SLURM_ARRAY_TASK_ID", "3").split())


def test_the_workflow_of_the_documentation_is_one():
    text = (Path(__file__).parent.parent / "docs" / "teaching.md").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    steps = workflow["jobs"]["grade"]["steps"]
    assert [step.get("uses", step.get("run", "")).split()[0] for step in steps] == [
        "actions/checkout@v4",
        "actions/checkout@v4",
        "sh",
        "course/.venv/bin/python",
        "actions/upload-artifact@v4",
    ]
    assert all(not step["with"]["persist-credentials"] for step in steps[:2])


# --------------------------------------------------------------------------------------------------------- the capstone


@pytest.fixture
def judged(graded, monkeypatch):
    """Makes the judge take no time, and returns the folders that it was asked about."""
    folders = []

    def pretend(folder, sandboxed):
        folders.append(folder.name)
        return {"capstone.runs": "correct", "capstone.files": "not yet"}, {"capstone.files": "No split.csv."}, "files"

    monkeypatch.setattr(tool, "grade_capstone", pretend)
    return folders


def hand_in_scripts(folder, text=""):
    folder.mkdir(parents=True)
    for name in ("train.py", "predict.py"):
        (folder / name).write_text(text)
    return folder


def test_a_folder_with_both_scripts_is_a_capstone_with_a_row_of_its_own(judged, hand_in, run, tmp_path):
    hand_in("anna/01_tensors.ipynb", SOLVED)
    hand_in_scripts(tmp_path / "anna" / "capstone")
    hand_in_scripts(tmp_path / "ben")
    (tmp_path / "carl").mkdir()
    (tmp_path / "carl" / "train.py").touch()  # some other script
    rows = {row["file"]: row for row in run(tmp_path)}
    assert sorted(judged) == ["ben", "capstone"]
    assert len(rows) == 3
    row = rows[str(tmp_path / "ben")]
    assert (row["capstone.runs"], row["capstone.files"], row["total"]) == ("correct", "not yet", "1")
    assert row["remark"] == "files"


def test_a_capstone_belongs_to_its_learner_and_is_judged_again_only_if_it_changed(judged, hand_in, tmp_path):
    folder = hand_in_scripts(tmp_path / "in" / "anna" / "capstone")
    hand_in("in/anna/01_tensors.ipynb", SOLVED)
    table = tmp_path / "grades.csv"
    (tmp_path / "class.csv").write_text("id,name\n1,Anna\n")
    command = [str(tmp_path / "in"), "--output", str(table), "--roster", str(tmp_path / "class.csv"), "--resume"]
    for text in ("", "", "import torch"):
        (folder / "train.py").write_text(text)
        main(command)
    header, anna = read_csv(table)
    assert anna[header.index("points")] == "2"
    assert len(judged) == 2


def test_a_capstone_without_a_first_line_is_judged_for_real(tmp_path):
    folder = hand_in_scripts(tmp_path / "capstone")
    outcomes, replies, remark = grade_capstone(folder, sandboxed=False)
    assert set(outcomes.values()) == {"not attempted"}
    assert remark == "capstone.runs: train.py is empty." == f"capstone.runs: {replies['capstone.runs']}"
