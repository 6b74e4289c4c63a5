"""The set-up, with stand-ins for Python, pip and uv: nothing is installed. And: files that repeat a fact agree."""

import contextlib
import inspect
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import conftest

COURSE = Path(__file__).parent.parent
PROJECT = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIRES_PYTHON = SpecifierSet(PROJECT["requires-python"])
TARGETS = [
    *("help", "lab", "test", "lowest", "pythons", "cover", "faults", "mutate", "site", "slides", "browse", "check"),
    *("format", "bench", "minutes", "recipes", "picture", "launch", "release", "lock", "clean"),
]
TOOLS = "awk bash cat cp dirname echo env expr find grep ls mkdir rm sed sh tail"  # and what a shell has built in

needs_make = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no make")

# Writes down how it is called, and does what the set-up asks of a Python: tell its version, make an environment, run
# pip (which may bring a uv along).
FAKE_PYTHON = """#!/bin/sh
echo "$*" >>'{calls}'
case "$*" in
*version_info*) echo {version} ;;
'-c '*fcntl*) exec '{real}' "$@" ;;
'-c ') echo 'greetings: from your sitecustomize.py' ;;
'-c import venv, ensurepip') exit {ensurepip} ;;
'-m venv '*) for venv; do :; done; rm -rf "$venv"; mkdir -p "$venv/bin"; cp "$0" "$venv/bin/python" ;;
'-m ensurepip '*) echo '{ensurepip_says}' >&2; [ -z '{ensurepip_says}' ] ;;
'-m pip '*)
    echo '{pip_logs}' >>"${{0%bin/python}}install.log"
    echo '{pip_says}' >&2
    [ -z '{pip_says}' ] || exit 1
    case "$*" in */uv.txt) cat "${{0%bin/python}}uv.txt" >>'{fetched}'; cp '{uv}' "${{0%python}}uv" ;; esac ;;
esac
"""

# Writes down how it is called and what it is told by variables, and complains if it shall. It may have a Python.
FAKE_UV = """#!/bin/sh
[ "$*" = --version ] && exit
[ "$1 $2" = 'python find' ] && echo '{python}' | grep "$5" && exit
echo "uv $*" >>'{calls}'
echo "index=$UV_INDEX default=$UV_DEFAULT_INDEX strategy=$UV_INDEX_STRATEGY" >>'{told}'
case "$*" in *' -r .venv/others.txt') cat .venv/others.txt >>'{fetched}' ;; esac
echo '{says}' >&2
[ -z '{says}' ]
"""


class Machine:
    """A machine with a copy of the course and with nothing on its PATH but a few tools and what a test adds."""

    def __init__(self, folder: Path):
        self.course, self.programs, self.calls = folder / "my course", folder / "programs", folder / "calls"
        self.told, self.fetched, self.lock_uv = folder / "told", folder / "fetched", folder / "uv"
        self.course.mkdir()
        self.programs.mkdir()
        for name in "Makefile", "install.sh", "pyproject.toml", "requirements.lock", "requirements.txt":
            shutil.copy(COURSE / name, self.course)
        for tool in TOOLS.split():
            (self.programs / tool).symlink_to(shutil.which(tool))
        self.add_uv().rename(self.lock_uv)

    def add_program(self, name: str, script: str) -> Path:
        path = self.programs / name
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)
        return path

    def add_python(self, name="python3", version="3.12.4", ensurepip=True, ensurepip_says="", pip_says="", pip_logs=""):
        script = FAKE_PYTHON.format(
            calls=self.calls,
            version=version,
            ensurepip=int(not ensurepip),
            ensurepip_says=ensurepip_says,
            fetched=self.fetched,
            uv=self.lock_uv,
            real=sys.executable,
            pip_says=pip_says,
            pip_logs=pip_logs,
        )
        return self.add_program(name, script)

    def add_uv(self, says="", python="") -> Path:
        script = FAKE_UV.format(calls=self.calls, told=self.told, fetched=self.fetched, says=says, python=python)
        return self.add_program("uv", script)

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return self.run(shutil.which("make"), *arguments, **environment)

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess:
        environment |= {"PATH": str(self.programs)}
        return subprocess.run(command, cwd=self.course, env=environment, capture_output=True, text=True)

    def take_calls(self) -> list[str]:
        """What the Pythons and uv were called for since the last look, but for being asked whether they run."""
        calls = self.calls.read_text(encoding="utf-8").splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return [call.strip() for call in calls if call.startswith(("-m", "uv pip"))]


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(tmp_path)


PIP = "-m pip install -q --log .venv/install.log "
UV = "uv pip install -q --compile-bytecode --python .venv/bin/python "
FETCH_UV = PIP + "--require-hashes --only-binary :all: -r .venv/uv.txt"


def installing(file="requirements.txt", tool=UV, venv=".venv") -> list[str]:
    """The two calls that install what the file lists, by hash and nothing else, and the course itself."""
    tool = tool.replace(".venv", venv)
    return [
        f"{tool}--require-hashes --no-deps --no-build-isolation -r {file}",
        f"{tool}--no-deps --no-build-isolation -e .",
    ]


WITHOUT_MAKE = installing(tool="-m pip install ")
FOR_LEARNERS, FOR_DEVELOPERS = installing(), installing("requirements.lock")
MAKE_VENV = ["-m venv --clear --without-pip .venv", "-m ensurepip --default-pip"]
SET_UP = [*MAKE_VENV, FETCH_UV, *FOR_LEARNERS]


def the_sentence(result: subprocess.CompletedProcess) -> str:
    """The one line that a failed set-up leaves, but for make's own."""
    assert result.returncode != 0
    assert "Installed." not in result.stdout
    sentence, last = result.stderr.splitlines()
    assert last.startswith("make: ***")
    return sentence


# ------------------------------------------------------------------------------------------- the targets


@needs_make
def test_make_alone_tells_what_each_target_does_and_does_nothing(machine):
    machine.add_python()
    lines = machine.make().stdout.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("  make ")] == TARGETS
    assert machine.take_calls() == []
    assert not (machine.course / ".venv").exists()


@needs_make
def test_the_first_run_sets_up_and_the_second_finds_it_done(machine):
    machine.add_python()
    assert machine.make("test", "ARGS=-k loops -x").returncode == 0
    assert machine.take_calls() == [*SET_UP, "-m pytest -k loops -x"]
    assert machine.make("lab").returncode == 0
    assert machine.take_calls() == ["-m tutorial_utils.lab"]


@needs_make
@pytest.mark.parametrize("name", ["requirements.lock", "requirements.txt", "pyproject.toml"])
def test_a_change_of_what_is_to_be_installed_is_noticed_once(machine, name):
    machine.add_python()
    machine.make("lab")
    machine.take_calls()
    dates = dict.fromkeys(["requirements.lock", "requirements.txt", "pyproject.toml"], 1)
    for file, date in (dates | {".venv/.installed": 2, name: 3}).items():
        os.utime(machine.course / file, (date, date))
    machine.make("lab")
    assert machine.take_calls() == [*FOR_LEARNERS, "-m tutorial_utils.lab"]
    machine.make("lab")
    assert machine.take_calls() == ["-m tutorial_utils.lab"]


def test_without_make_and_without_a_name_learners_get_the_same(machine):
    machine.add_python()
    assert machine.run(shutil.which("sh"), "install.sh").returncode == 0
    assert machine.take_calls() == SET_UP


@needs_make
def test_a_venv_without_its_python_is_made_anew(machine):
    machine.add_python()
    machine.make("lab")
    machine.take_calls()
    (machine.course / ".venv" / "bin" / "python").unlink()
    assert machine.make("lab").returncode == 0
    assert machine.take_calls() == [*SET_UP, "-m tutorial_utils.lab"]


@needs_make
def test_a_venv_that_was_moved_with_the_course_is_made_anew(machine):
    machine.add_python()
    machine.make("lab")
    machine.take_calls()
    machine.course = machine.course.rename(machine.course.with_name("moved"))
    assert machine.make("lab").returncode == 0
    assert machine.take_calls() == [*SET_UP, "-m tutorial_utils.lab"]


@needs_make
def test_check_adds_the_tools_of_developers_to_the_set_up_once(machine):
    machine.add_python()
    machine.make("lab")
    machine.take_calls()
    assert machine.make("check").returncode == 0
    assert machine.take_calls() == [*FOR_DEVELOPERS, "-m ruff check .", "-m ruff format --check .", "-m mypy"]
    machine.make("format")
    assert machine.take_calls() == ["-m ruff check --fix .", "-m ruff format ."]
    machine.make("lab")
    assert machine.take_calls() == ["-m tutorial_utils.lab"]


@needs_make
@pytest.mark.parametrize("target", ["site", "slides", "bench", "minutes", "mutate", "lock"])
def test_what_no_learner_needs_is_installed_for_the_targets_that_need_it(machine, target):
    machine.add_python()
    for learners in "lab", "test", "cover", "recipes":
        machine.make(learners)
    assert not set(FOR_DEVELOPERS[:1]) & set(machine.take_calls())
    assert machine.make(target).returncode == 0
    assert machine.take_calls()[:2] == FOR_DEVELOPERS


@needs_make
def test_the_site_is_built_from_notebooks_that_have_run(machine):
    machine.add_python()
    assert machine.make("site").returncode == 0
    execute, build = machine.take_calls()[-2:]
    assert execute == "-m docs.execute"
    assert build.startswith("-m sphinx -q -W ")


def test_learners_install_nothing_that_only_developers_need():
    learners = {requirement.name for requirement in requirements("test")}
    developers = {"mutmut", "mypy", "playwright", "pyperf", "pytorch-lightning", "ruff", "skorch", "sphinx", "uv"}
    assert not learners & developers


@needs_make
def test_lock_resolves_with_hashes_for_the_oldest_python_and_all_platforms_and_exports_what_learners_need(machine):
    machine.add_python()
    assert machine.make("lock", "ARGS=--upgrade").returncode == 0
    lock, export = machine.take_calls()[-2:]
    oldest = next(spec.version for spec in REQUIRES_PYTHON if spec.operator == ">=")
    for command in lock, export:
        assert command.startswith("-m uv pip compile pyproject.toml -q --universal ")
        assert f" --python-version {oldest} --generate-hashes " in command
    assert lock.endswith(" --all-extras -o requirements.lock --upgrade")
    assert export.endswith(" --extra test -c requirements.lock -o requirements.txt")


@needs_make
def test_the_tools_of_developers_are_installed_once_for_all_targets(machine):
    machine.add_python()
    machine.make("check")
    machine.take_calls()
    for target in "check", "slides", "bench", "lab":
        machine.make(target)
    assert not [call for call in machine.take_calls() if "pip install" in call]


@needs_make
def test_clean_removes_what_was_installed_and_cached_and_keeps_the_learners_work(machine):
    machine.add_python()
    machine.make("lab")
    caches = [
        ".venv-torch-2.9.1",
        ".pytest_cache",
        ".ruff_cache",
        "build",
        "tutorial_utils.egg-info",
        "tutorial_utils/__pycache__",
    ]
    kept = ["work/__pycache__", "tutorial_utils/exercises", "notebooks"]
    for folder in caches + kept:
        (machine.course / folder).mkdir(parents=True)
    assert machine.make("clean").returncode == 0
    assert [name for name in [".venv", *caches, *kept] if (machine.course / name).exists()] == kept


# ------------------------------------------------------------------------------------------- finding Python


@needs_make
def test_without_a_python_the_sentence_says_which_is_needed_and_how_to_name_one(machine):
    sentence = the_sentence(machine.make("test"))
    assert "needs Python 3.11 to 3.14 (but not 3.14.1)" in sentence
    assert "none that runs" in sentence
    assert "make PYTHON=" in sentence


@needs_make
def test_a_python_that_is_too_old_is_named_with_its_version(machine):
    machine.add_python(version="3.9.6")
    sentence = the_sentence(machine.make("test"))
    assert "needs Python 3.11 to 3.14" in sentence
    assert "python3 is 3.9.6" in sentence


@needs_make
def test_a_range_without_an_exception_is_told_without_one(machine):
    project = machine.course / "pyproject.toml"
    project.write_text(re.sub(r"!=[\d.]+,", "", project.read_text(encoding="utf-8")), encoding="utf-8")
    machine.add_python(version="3.9.6")
    assert "needs Python 3.11 to 3.14; found: python3 is 3.9.6. Install" in the_sentence(machine.make("test"))
    machine.add_python(version="3.14.1")
    assert machine.make("lab").returncode == 0


@needs_make
def test_where_python3_is_too_old_the_newest_that_runs_is_taken(machine):
    machine.add_python("python3", version="3.9.6")
    machine.add_program("python3.14", "#!/bin/sh\nexit 127\n")  # as pyenv's stand-ins do
    machine.add_python("python3.13", version="3.13.2")
    machine.add_python("python3.12", version="3.12.1")
    assert machine.make("lab").returncode == 0
    assert "echo 3.13.2" in (machine.course / ".venv" / "bin" / "python").read_text(encoding="utf-8")


@needs_make
def test_a_python3_in_range_comes_before_newer_ones(machine):
    machine.add_python("python3", version="3.12.1")
    machine.add_python("python3.14", version="3.14.0")
    machine.make("lab")
    assert "echo 3.12.1" in (machine.course / ".venv" / "bin" / "python").read_text(encoding="utf-8")


@needs_make
def test_the_python_that_is_named_is_taken_even_with_a_space_in_its_path(machine):
    machine.add_python("python3", version="3.12.1")
    named = machine.add_python("my python", version="3.13.2")
    assert machine.make("lab", f"PYTHON={named}").returncode == 0
    assert "echo 3.13.2" in (machine.course / ".venv" / "bin" / "python").read_text(encoding="utf-8")


@needs_make
@pytest.mark.parametrize(("version", "told"), [("3.10.1", "is 3.10.1"), ("", "none that runs")])
def test_the_python_that_is_named_is_not_replaced_by_another(machine, version, told):
    machine.add_python("python3", version="3.12.1")
    named = machine.add_python("other", version=version)
    sentence = the_sentence(machine.make("lab", PYTHON=str(named)))
    assert str(named) in sentence
    assert told in sentence


@needs_make
def test_the_set_up_takes_exactly_the_pythons_of_pyproject(machine):
    versions = ["2.7.18", "3.1.5", "3.10.13", "3.11.0", "3.12.4", "3.13.9", "3.14.0", "3.14.1", "3.14.2", "3.15.0"]
    taken = []
    for version in versions:
        machine.add_python(version=version)
        shutil.rmtree(machine.course / ".venv", ignore_errors=True)
        if machine.make("lab").returncode == 0:
            taken.append(version)
    assert taken == [version for version in versions if version in REQUIRES_PYTHON]


# ------------------------------------------------------------------------------------------- what can go wrong


@needs_make
def test_without_ensurepip_the_sentence_names_the_package_to_install(machine):
    machine.add_python(version="3.12.4", ensurepip=False)
    assert "apt install python3.12-venv" in the_sentence(machine.make("test"))
    assert not (machine.course / ".venv").exists()


NO_SPACE = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
NO_NETWORK = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by NewConnectionError(...)\n"
    "ERROR: No matching distribution found for setuptools>=77"
)
NO_VERSION = "ERROR: Could not find it\nERROR: No matching distribution found for torch==2.14.1\n\n[notice] Update pip"


NO_SOCKS = "ERROR: Could not install packages due to an OSError: Missing dependencies for SOCKS support."
BAD_PROXY = "ERROR: ... OSError: Proxy URL had unsupported scheme bogus, should use http:// or https://"
BAD_HASH = """ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated ...
    idna==3.20 from file:///idna-3.20-py3-none-any.whl#sha256=ab7a (from -r requirements.txt (line 177)):
        Expected sha256 0000
             Got        ab7a"""


@needs_make
@pytest.mark.parametrize(
    ("pip_says", "told", "tries"),
    [
        (NO_SPACE, "The disk is full", 1),
        ("OSError: [Errno 122] Disk quota exceeded", "The disk is full", 1),
        (NO_NETWORK, "check the network", 1),
        (NO_SOCKS, "unset ALL_PROXY", 1),
        (BAD_PROXY, "check the network (or the proxy)", 1),
        (BAD_HASH, "What came as idna==3.20 is not what the lock names", 1),
        (NO_VERSION, "Installing failed: No matching distribution found for torch==2.14.1", 2),
        ("Killed", "Installing failed: Killed Details: .venv/install.log", 2),
    ],
)
def test_when_pip_fails_one_sentence_says_why_and_the_next_run_tries_again(machine, pip_says, told, tries):
    machine.add_python(pip_says=pip_says)
    expected = [FETCH_UV, installing(tool=PIP)[0]][:tries]
    for _ in range(2):
        assert told in the_sentence(machine.make("test"))
        assert machine.take_calls() == [*MAKE_VENV, *expected]


@needs_make
@pytest.mark.parametrize("fault", [NO_SPACE, NO_NETWORK, NO_SOCKS, BAD_HASH, NO_VERSION])
def test_with_pip_alone_the_sentences_are_the_same(machine, fault):
    machine.add_python(pip_says=fault)
    sentences = [the_sentence(machine.make("test", f"INSTALLER={tool}")) for tool in ("pip", "uv")]
    assert sentences[0] == sentences[1]


# What uv 0.13 really says: without a network, behind three kinds of proxy, on a full disk, and so on.
UV_CONNECT = """error: Request failed after 3 retries in 5.3s
  cause: Failed to fetch: http://127.0.0.1:9/simple/pandas/
  cause: error sending request for url (http://127.0.0.1:9/simple/pandas/)
  cause: client error (Connect)
  cause: """
UV_HASH = """error: Failed to download `idna==3.20`
  cause: Hash mismatch for `idna==3.20`

         Expected:
           sha256:0000
         Computed:
           sha256:ab7a

hint: `idna` (v3.20) was included because `requests` (v2.34.2) depends on `idna`"""
UV_SPACE = """error: Failed to install: pip-26.3-py3-none-any.whl (pip==26.3)
  cause: Failed to copy to `site-packages/pip/_vendor/idna/idnadata.py`
  cause: failed to copy file from cache to site-packages: """
UV_VERSION = """error: No solution found when resolving dependencies
  cause: Because there is no version of pip==26.3.77, your requirements are unsatisfiable."""


@needs_make
@pytest.mark.parametrize("is_on_path", [True, False])
@pytest.mark.parametrize(
    ("says", "told"),
    [
        (UV_SPACE + "No space left on device (os error 28)", "The disk is full"),
        (UV_SPACE + "Disk quota exceeded (os error 122)", "The disk is full"),
        (UV_CONNECT + "dns error", "cannot be reached: check the network (or the proxy)"),
        (UV_CONNECT + "error connecting to socks proxy", "cannot be reached: check the network (or the proxy)"),
        (UV_CONNECT + "operation timed out", "cannot be reached: check the network (or the proxy)"),
        (UV_HASH, "What came as idna==3.20 is not what the lock names"),
        (UV_VERSION, "Installing failed: Because there is no version of pip==26.3.77"),
        ("Killed", "Installing failed: Killed Details: .venv/install.log"),
    ],
)
def test_when_uv_fails_one_sentence_says_why_and_the_next_run_tries_again(machine, says, told, is_on_path):
    machine.add_python()
    uv = machine.add_uv(says=says)
    if not is_on_path:
        uv.rename(machine.lock_uv)
    for _ in range(2):
        assert told in the_sentence(machine.make("test"))
        assert machine.take_calls()[-1] == FOR_LEARNERS[0]
        assert (machine.course / ".venv" / "install.log").read_text(encoding="utf-8") == f"{says}\n"


@needs_make
@pytest.mark.parametrize(("pip_logs", "told"), [(NO_SPACE, "The disk is full"), (NO_NETWORK, "check the network")])
def test_what_only_pips_log_tells_is_told_too(machine, pip_logs, told):
    machine.add_python(pip_says="error: subprocess-exited-with-error", pip_logs=f"2026-01-01T00:00:00,1 {pip_logs}")
    assert told in the_sentence(machine.make("test"))


@needs_make
def test_what_pip_logged_in_an_earlier_run_is_not_told_again(machine):
    machine.add_python()
    machine.make("lab")
    log = machine.course / ".venv" / "install.log"
    log.write_text(NO_NETWORK, encoding="utf-8")
    os.utime(machine.course / ".venv" / ".installed", (1, 1))
    machine.add_uv(says="Killed")
    assert "Installing failed: Killed" in the_sentence(machine.make("test"))


@needs_make
def test_a_disk_that_is_full_before_pip_is_there_is_told(machine):
    machine.add_python(ensurepip_says="OSError: [Errno 28] No space left on device")
    assert "The disk is full" in the_sentence(machine.make("test"))


@needs_make
def test_where_there_is_no_log_none_is_named(machine):
    machine.add_python(ensurepip_says="Traceback ...\nOSError: [Errno 5] Input/output error")
    assert the_sentence(machine.make("test")) == "Installing failed: OSError: [Errno 5] Input/output error"


# ------------------------------------------------------------------------------------------- uv, or pip


@needs_make
def test_a_uv_on_the_path_is_taken_and_needs_neither_ensurepip_nor_another_uv(machine):
    machine.add_python(ensurepip=False)
    machine.add_uv()
    assert machine.make("lab").returncode == 0
    assert machine.take_calls() == [MAKE_VENV[0], *FOR_LEARNERS, "-m tutorial_utils.lab"]


@needs_make
def test_a_uv_that_does_not_run_is_not_taken(machine):
    machine.add_python()
    machine.add_program("uv", "#!/bin/sh\nexit 127\n")  # as pyenv's stand-ins do
    assert machine.make("lab").returncode == 0
    assert machine.take_calls() == [*SET_UP, "-m tutorial_utils.lab"]


@needs_make
def test_the_uv_that_is_fetched_is_the_one_in_the_lock_with_its_hashes(machine):
    machine.add_python()
    machine.make("lab")
    assert machine.fetched.read_text(encoding="utf-8").split() == blocks("requirements.lock")["uv"][0].split()
    machine.take_calls()
    machine.make("check")
    assert machine.take_calls()[:2] == FOR_DEVELOPERS  # it is not fetched again


@needs_make
@pytest.mark.parametrize("machines_uv", [None, "#!/bin/sh\nexit 1\n"], ids=["none", "one that does not run"])
def test_where_no_uv_is_to_be_had_pip_installs_the_same(machine, machines_uv):
    machine.add_python()
    machine.lock_uv.unlink()
    if machines_uv:
        machine.add_program("uv", machines_uv).rename(machine.lock_uv)
    assert machine.make("lab").returncode == 0
    assert machine.take_calls() == [*MAKE_VENV, FETCH_UV, *installing(tool=PIP), "-m tutorial_utils.lab"]


@needs_make
def test_pip_installs_if_it_is_asked_for(machine):
    machine.add_python()
    machine.add_uv().rename(machine.lock_uv)
    machine.add_uv()
    assert machine.make("check", "INSTALLER=pip").returncode == 0
    assert machine.take_calls()[:-3] == [*MAKE_VENV, *installing(tool=PIP), *installing("requirements.lock", tool=PIP)]


@needs_make
@pytest.mark.parametrize("tool", [UV, PIP])
def test_another_pytorch_comes_from_the_address_and_all_else_by_its_hash(machine, tool):
    machine.add_python()
    arguments = ["PIP_EXTRA_INDEX_URL=https://cpu.example", f"INSTALLER={'uv' if tool == UV else 'pip'}"]
    assert machine.make("lab", *arguments).returncode == 0
    others, course = installing(".venv/others.txt", tool)
    pins = " ".join(
        text.split(" ")[0] for name in ("torch", "torchvision") for text in blocks("requirements.txt")[name]
    )
    assert machine.take_calls()[-4:] == [others, tool + pins, course, "-m tutorial_utils.lab"]
    assert machine.make("check", f"INSTALLER={'uv' if tool == UV else 'pip'}").returncode == 0
    assert machine.take_calls()[:3] == [others, tool + pins, course]  # it is remembered


@needs_make
def test_the_address_is_asked_for_pytorch_alone_which_with_its_cuda_is_left_out_of_what_is_checked(machine):
    machine.add_python()
    machine.add_uv()
    machine.make("lab", "PIP_EXTRA_INDEX_URL=https://cpu.example")
    before, during, _ = machine.told.read_text(encoding="utf-8").splitlines()
    assert before == "index= default= strategy="
    assert during == "index=https://cpu.example default= strategy=unsafe-best-match"
    listed = machine.fetched.read_text(encoding="utf-8")
    locked_blocks = blocks("requirements.txt")
    left_out = {name for name, texts in locked_blocks.items() if not any(text in listed for text in texts)}
    assert left_out == {"torch", "torchvision"} | {name for name in locked_blocks if is_cuda(name)}
    assert listed == "".join(t for name, texts in locked_blocks.items() if name not in left_out for t in texts)


@needs_make
@pytest.mark.parametrize("place", [".pip/pip.conf", ".config/pip/pip.conf", "elsewhere", None])
def test_uv_asks_the_mirror_that_pip_is_told_to_ask(machine, tmp_path, place):
    machine.add_python()
    machine.add_uv()
    variables = {"HOME": str(tmp_path)}
    if place is None:
        variables["PIP_INDEX_URL"] = "https://mirror.example/simple"
    else:
        file = tmp_path / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("[global]\nindex-url = https://mirror.example/simple\nextra-index-url = x\n", encoding="utf-8")
        variables["PIP_CONFIG_FILE"] = str(tmp_path / "elsewhere")
    assert machine.make("lab", **variables).returncode == 0
    assert " default=https://mirror.example/simple " in machine.told.read_text(encoding="utf-8")


UV_ON_A_TERMINAL = r"""#!/bin/sh
[ "$*" = --version ] && exit
[ -t 2 ] || exit
printf '\r\033[2K10 %%  ' >&2
printf '\r\033[2K50 %%  ' >&2
echo 'error: Failed to fetch' >&2
echo '  cause: error sending request for url' >&2
exit 2
"""


@needs_make
def test_on_a_terminal_uv_draws_its_bars_and_what_it_complains_about_is_kept_apart(machine):
    machine.add_python()
    machine.add_program("uv", UV_ON_A_TERMINAL)
    ours, theirs = os.openpty()
    environment = {"PATH": str(machine.programs)}
    subprocess.run([shutil.which("make"), "lab"], cwd=machine.course, env=environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the end, on Linux
        while said := os.read(ours, 4096):
            shown += said
    shown = shown.decode()
    assert "10 %" in shown
    assert "cause" not in shown
    assert "The packages cannot be reached: check the network" in shown


# ------------------------------------------------------------------------------------------- other versions


@needs_make
@pytest.mark.parametrize(
    ("torch", "asked"), [("2.9.1", "torch==2.9.1 torchvision"), ("nightly", "--pre torch torchvision")]
)
@pytest.mark.parametrize("tool", [UV, PIP])
def test_another_release_of_pytorch_gets_an_environment_of_its_own_with_the_rest_from_the_lock(
    machine, torch, asked, tool
):
    machine.add_python()
    machine.make("lab")
    machine.take_calls()
    venv = f".venv-torch-{torch}"
    installer = "uv" if tool == UV else "pip"
    assert machine.make("test", f"TORCH={torch}", "ARGS=-x", f"INSTALLER={installer}").returncode == 0
    others, course = installing(f"{venv}/others.txt", tool, venv)
    assert machine.take_calls()[-4:] == [others, tool.replace(".venv", venv) + asked, course, "-m pytest -x"]
    listed = (machine.course / venv / "others.txt").read_text(encoding="utf-8")
    texts = [text for name, texts in blocks("requirements.txt").items() for text in texts]
    left_out = {text.partition("==")[0] for text in texts if text not in listed}
    assert {"torch", "torchvision"} < left_out
    assert all(is_cuda(name) for name in left_out - {"torch", "torchvision"})


@needs_make
def test_an_environment_for_another_release_is_made_once_and_the_usual_one_stays_as_it_is(machine):
    machine.add_python()
    for arguments in ["lab"], ["lab", "TORCH=2.9.1"]:
        machine.make(*arguments)
    machine.take_calls()
    for arguments in ["lab"], ["lab", "TORCH=2.9.1"]:
        assert machine.make(*arguments).returncode == 0
    assert machine.take_calls() == ["-m tutorial_utils.lab"] * 2


@needs_make
def test_another_release_may_come_from_an_address_too(machine):
    machine.add_python()
    machine.add_uv()
    machine.make("test", "TORCH=nightly", "PIP_EXTRA_INDEX_URL=https://nightly.example")
    before, during, _ = machine.told.read_text(encoding="utf-8").splitlines()
    assert before == "index= default= strategy="
    assert during == "index=https://nightly.example default= strategy=unsafe-best-match"


@needs_make
def test_what_another_release_cannot_be_is_told_in_the_words_of_the_installer(machine):
    machine.add_python()
    machine.add_uv(says=UV_VERSION.replace("pip==26.3.77", "torch==7"))
    sentence = the_sentence(machine.make("test", "TORCH=7"))
    assert sentence.startswith("Installing failed: Because there is no version of torch==7")
    assert sentence.endswith("Details: .venv-torch-7/install.log")


@needs_make
def test_lowest_resolves_the_lowest_versions_for_the_python_at_hand_and_tests_with_them(machine):
    machine.add_python()
    machine.add_uv()
    assert machine.make("lowest", "ARGS=-x").returncode == 0
    assert machine.take_calls() == [
        "-m venv --clear --without-pip .venv-lowest",
        "uv pip compile pyproject.toml -q --python .venv-lowest/bin/python --extra test --resolution lowest-direct "
        "--generate-hashes --no-annotate --no-header -o .venv-lowest/lowest.txt",
        *installing(".venv-lowest/lowest.txt", venv=".venv-lowest"),
        "-m pytest -x",
    ]


@needs_make
def test_without_uv_the_lowest_versions_are_not_to_be_had(machine):
    machine.add_python()
    result = machine.make("lowest", "INSTALLER=pip")
    assert result.returncode != 0
    assert "Only uv can find the lowest versions" in result.stderr


@needs_make
def test_pythons_tests_in_each_python_that_runs_on_the_path_or_from_uv(machine, tmp_path):
    machine.add_python("python3", version="3.12.4")
    machine.add_python("python3.12", version="3.12.4")
    machine.add_python("python3.13", version="")  # as pyenv's stand-ins do
    machine.add_python("python3.14", version="3.14.1")  # the one that pyproject.toml excludes
    machine.add_uv(python=machine.add_python("a python3.11", version="3.11.9"))
    assert machine.make("pythons", "ARGS=-x").returncode == 0
    expected = []
    for python in "python3.11", "python3.12":
        venv = f".venv-{python}"
        expected += [f"-m venv --clear --without-pip {venv}", *installing(venv=venv), "-m pytest -x"]
    assert machine.take_calls() == expected


@needs_make
def test_pythons_goes_on_after_one_that_fails_and_names_it_at_the_end(machine):
    machine.add_python("python3.11", version="3.11.9", ensurepip=False)
    machine.add_python("python3.12", version="3.12.4")
    result = machine.make("pythons")
    assert result.returncode != 0
    assert result.stdout.splitlines()[-1] == "The tests failed in python3.11."
    assert machine.take_calls()[-1] == "-m pytest"


@needs_make
def test_without_any_python_pythons_fails(machine):
    result = machine.make("pythons")
    assert result.returncode != 0
    assert "There is no python3.11 to python3.14 on the PATH" in result.stderr


# ------------------------------------------------------------------------------------------- facts that are repeated


def requirements(*groups: str) -> list[Requirement]:
    """What pyproject.toml asks for: always, and with the extras named."""
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for group in groups for line in extras[group])]
    return [Requirement(line) for line in lines if not line.startswith(PROJECT["name"])]


def blocks(file: str) -> dict[str, list[str]]:
    """What a file with hashes lists: by name, the lines of each version."""
    found = {}
    for text in re.split(r"(?m)^(?=\S)", (COURSE / file).read_text(encoding="utf-8"))[1:]:
        found.setdefault(canonicalize_name(text.partition("==")[0]), []).append(text)
    return found


def locked(file="requirements.lock") -> list[Requirement]:
    return [Requirement(text.split(" \\\n")[0]) for texts in blocks(file).values() for text in texts]


def is_cuda(name: str) -> bool:
    """Whether only PyTorch for NVIDIA's GPUs needs it."""
    return name == "triton" or name.startswith(("cuda-", "nvidia-"))


def test_the_lock_pins_everything_to_one_version_with_hashes_and_names_no_place():
    for texts in blocks("requirements.lock").values():
        for text in texts:
            assert re.fullmatch(r"\S+==\S+( ; [^\\/]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n", text)
    for requirement in locked():
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", requirement
        assert "*" not in specifier.version, requirement
        assert Version(specifier.version).local is None, f"{requirement}: a local version is not on every platform"
        assert requirement.url is None, requirement


def test_what_learners_install_is_a_part_of_the_lock_word_for_word():
    lock, exported = blocks("requirements.lock"), blocks("requirements.txt")
    assert all(lock[name] == texts for name, texts in exported.items())


def find_needed() -> set[str]:
    """Return the names of all that a learner's course needs in this Python, found from package to package."""
    needed, to_do = set(), requirements("test")
    while to_do:
        requirement = to_do.pop()
        key = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if key in needed:
            continue
        needed.add(key)
        for line in metadata.distribution(requirement.name).requires or []:
            wanted = Requirement(line)
            extras = ["", *requirement.extras]
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
                to_do.append(wanted)
    return {name for name, _ in needed}


@pytest.mark.skipif(Path(sys.prefix).name == ".venv-lowest", reason="it holds other packages than the lock, on purpose")
def test_what_learners_install_is_all_that_their_course_needs_and_no_more():
    here = {canonicalize_name(r.name) for r in locked("requirements.txt") if r.marker is None or r.marker.evaluate()}
    needed = find_needed() | {"setuptools"}
    if f"torch=={metadata.version('torch')}" not in map(str, locked()):  # another PyTorch, with another CUDA or none
        here, needed = ({name for name in names if not is_cuda(name)} for names in (here, needed))
    assert here == needed


def test_what_builds_the_course_and_what_learners_add_packages_with_is_in_the_lock_for_every_python():
    project = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))
    pins = {pin.name: pin for pin in locked("requirements.txt")}
    for wanted in [*map(Requirement, project["build-system"]["requires"]), Requirement("pip")]:
        (specifier,) = pins[wanted.name].specifier
        assert specifier.version in wanted.specifier
        assert pins[wanted.name].marker is None
    assert len(blocks("requirements.lock")["uv"]) == 1


@pytest.mark.parametrize("file", ["docs/setup.md", "docs/setup.zh.md", ".github/workflows/ci.yml"])
def test_where_there_is_no_make_two_lines_install_by_hash_what_the_set_up_installs(file):
    commands = re.findall(r"python -m (pip install .*)", (COURSE / file).read_text(encoding="utf-8"))
    assert commands == [command.partition("-m ")[2] for command in WITHOUT_MAKE]


def test_the_lock_pins_every_dependency_within_its_range():
    pins = {}
    for requirement in locked():
        (specifier,) = requirement.specifier
        pins.setdefault(canonicalize_name(requirement.name), []).append(specifier.version)
    for wanted in requirements(*PROJECT["optional-dependencies"]):
        assert wanted.name in pins
        assert all(version in wanted.specifier for version in pins[wanted.name]), wanted


def conda_environment() -> tuple[dict, dict[str, SpecifierSet]]:
    environment = yaml.safe_load((COURSE / "environment.yml").read_text(encoding="utf-8"))
    lines = [line for line in environment["dependencies"] if isinstance(line, str)]
    parts = [re.fullmatch(r"([a-z0-9-]+)(.*)", line).groups() for line in lines]
    return environment, {name: SpecifierSet(re.sub(r"^=(?=\d)", "==", bounds)) for name, bounds in parts}


def test_the_conda_environment_has_the_names_and_bounds_of_pyproject():
    _, packages = conda_environment()
    conda_names = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
    wanted = {conda_names.get(wanted.name, wanted.name): wanted.specifier for wanted in requirements()}
    assert {name: bounds for name, bounds in packages.items() if name != "python"} == wanted


def test_the_conda_environment_has_a_python_in_range_and_takes_the_course_itself_from_pip():
    environment, packages = conda_environment()
    (python,) = packages["python"]
    assert python.operator == "=="
    assert python.version in REQUIRES_PYTHON
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    assert environment["dependencies"][-1] == {"pip": ["-e ."]}


def test_ci_runs_the_oldest_and_the_newest_python_on_each_system():
    workflow = yaml.safe_load((COURSE / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    in_range = [f"3.{minor}" for minor in range(30) if f"3.{minor}" in REQUIRES_PYTHON]
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == [in_range[0], in_range[-1]]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert workflow[True].keys() == {"push", "pull_request", "schedule"}  # YAML 1.1 reads the key `on` as true


def test_ci_runs_the_lowest_versions_and_the_nightly_pytorch_every_week_and_only_the_latter_may_fail():
    job = yaml.safe_load((COURSE / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]["versions"]
    assert job["if"] == "github.event_name == 'schedule'"
    assert job["strategy"]["matrix"]["run"] == ["lowest", "test TORCH=nightly"]
    assert job["continue-on-error"] == "${{ endsWith(matrix.run, 'nightly') }}"
    run, tell = job["steps"][-2:]
    assert run["run"].startswith("make ${{ matrix.run }} ")
    assert tell["if"] == "failure()"
    assert "GITHUB_STEP_SUMMARY" in tell["run"]


@needs_make  # and there bash may be another system's
def test_what_ci_tells_of_a_failed_week_is_which_tests_failed_or_what_kept_them_from_running(tmp_path):
    job = yaml.safe_load((COURSE / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]["versions"]
    summaries = {
        "Installing.\n...F\n=== short test summary info ===\nFAILED test_a.py - x\n1 failed\n": "FAILED test_a.py",
        "Installing failed: there is no torch.\nmake: *** [x] Error 1\n": "Installing failed: there is no torch.",
    }
    for report, told in summaries.items():
        (tmp_path / "report.txt").write_text(report, encoding="utf-8")
        summary = tmp_path / "summary.md"
        script = job["steps"][-1]["run"].replace("${{ matrix.run }}", "lowest")
        environment = os.environ | {"GITHUB_STEP_SUMMARY": str(summary)}
        subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, check=True)
        text = summary.read_text(encoding="utf-8")
        assert told in text
        assert "...F" not in text
        summary.unlink()


# ------------------------------------------------------------------------------------------- the check of each change


def copy_ci_script(machine) -> str:
    (machine.course / ".ci").mkdir()
    return str(shutil.copy(COURSE / ".ci" / "run", machine.course / ".ci"))


@needs_make
@pytest.mark.parametrize("images", [True, False])
@pytest.mark.parametrize("browser", [True, False])
def test_the_ci_script_tests_on_both_kinds_of_images_and_installs_the_browser_where_it_is_missing(
    machine, images, browser
):
    script = copy_ci_script(machine)
    machine.add_program(
        "make", f"""#!/bin/sh\necho "$1 $TUTORIAL_SOURCE $TUTORIAL_DATA $CI $2" >>'{machine.calls}'\n"""
    )
    machine.add_program("apt-get", f"""#!/bin/sh\necho "apt-get $2" >>'{machine.calls}'\n""")
    if browser:
        machine.add_program("chromium", "#!/bin/sh\n")
    folder = machine.course.parent / "shared" / "data"
    if images:
        folder.mkdir(parents=True)
    assert machine.run(script, CI="").returncode == 0
    calls = [" ".join(call.split()) for call in machine.calls.read_text(encoding="utf-8").splitlines()]
    test = f"test real {folder}" if images else "test sketch"
    expected = ["check", f"{test} ARGS=-m 'not long and not site' -k 'not twice'", "browse sketch true -j2"]
    assert [call for call in calls if not call.startswith("apt-get")] == expected
    assert [call for call in calls if call.startswith("apt-get")] == (
        [] if browser else ["apt-get update", "apt-get install"]
    )
    assert calls[-1] == expected[-1]


@needs_make
@pytest.mark.parametrize("failing", ["check", "test", "browse", "apt-get"])
def test_the_ci_script_fails_when_anything_fails(machine, failing):
    script = copy_ci_script(machine)
    machine.add_program("make", f'#!/bin/sh\n[ "$1" != {failing} ]\n')
    machine.add_program("apt-get", f"#!/bin/sh\n[ apt-get != {failing} ]\n")
    assert machine.run(script).returncode != 0


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_without_a_browser_its_tests_are_skipped_with_a_word_but_fail_in_ci(tmp_path, monkeypatch, ci, outcome):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="apt install chromium"):
        next(inspect.unwrap(conftest.browser)())
