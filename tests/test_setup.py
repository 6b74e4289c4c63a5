"""The set-up, with stand-ins for Python: nothing is installed. And: files that repeat a fact agree on it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

COURSE = Path(__file__).parent.parent
PROJECT = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIRES_PYTHON = SpecifierSet(PROJECT["requires-python"])
TARGETS = [
    *("help", "lab", "test", "cover", "faults", "mutate", "site", "slides", "browse", "check", "format"),
    *("bench", "recipes", "picture", "lock", "clean"),
]
TOOLS = "awk bash cat cp dirname echo env expr find grep ls mkdir rm sed sh tail"  # and what a shell has built in

needs_make = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no make")

# Writes down how it is called, and does what the set-up asks of a Python: tell its version, make .venv, run pip.
FAKE_PYTHON = """#!/bin/sh
echo "$*" >>'{calls}'
case "$*" in
*version_info*) echo {version} ;;
'-c ') echo 'greetings: from your sitecustomize.py' ;;
'-c import venv, ensurepip') exit {ensurepip} ;;
'-m venv '*) rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
'-m ensurepip '*) echo '{ensurepip_says}' >&2; [ -z '{ensurepip_says}' ] ;;
'-m pip '*) echo '{pip_logs}' >>.venv/install.log; echo '{pip_says}' >&2; [ -z '{pip_says}' ] ;;
esac
"""


class Machine:
    """A machine with a copy of the course and with nothing on its PATH but a few tools and what a test adds."""

    def __init__(self, folder: Path):
        self.course, self.programs, self.calls = folder / "my course", folder / "programs", folder / "calls"
        self.course.mkdir()
        self.programs.mkdir()
        for name in "Makefile", "install.sh", "pyproject.toml", "requirements.lock":
            shutil.copy(COURSE / name, self.course)
        for tool in TOOLS.split():
            (self.programs / tool).symlink_to(shutil.which(tool))

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
            pip_says=pip_says,
            pip_logs=pip_logs,
        )
        return self.add_program(name, script)

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return self.run(shutil.which("make"), *arguments, **environment)

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess:
        environment |= {"PATH": str(self.programs)}
        return subprocess.run(command, cwd=self.course, env=environment, capture_output=True, text=True)

    def take_calls(self) -> list[str]:
        """What the Pythons were called for since the last look; their being asked whether they run is left out."""
        calls = self.calls.read_text(encoding="utf-8").splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return [call.strip() for call in calls if call.startswith("-m")]


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(tmp_path)


INSTALL = "-m pip install -q --log .venv/install.log -c requirements.lock -e .[{}]"
SET_UP = ["-m venv --clear --without-pip .venv", "-m ensurepip --default-pip", INSTALL.format("test")]


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
@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_change_of_what_is_to_be_installed_is_noticed_once(machine, name):
    machine.add_python()
    machine.make("lab")
    machine.take_calls()
    for file, date in {"requirements.lock": 1, "pyproject.toml": 1, ".venv/.installed": 2, name: 3}.items():
        os.utime(machine.course / file, (date, date))
    machine.make("lab")
    assert machine.take_calls() == [INSTALL.format("test"), "-m tutorial_utils.lab"]
    machine.make("lab")
    assert machine.take_calls() == ["-m tutorial_utils.lab"]


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
    assert machine.take_calls() == [INSTALL.format("dev"), "-m ruff check .", "-m ruff format --check .", "-m mypy"]
    machine.make("format")
    assert machine.take_calls() == ["-m ruff check --fix .", "-m ruff format ."]
    machine.make("lab")
    assert machine.take_calls() == ["-m tutorial_utils.lab"]


@needs_make
def test_only_the_targets_of_the_site_add_what_it_takes_to_the_set_up(machine):
    machine.add_python()
    machine.make("lab")
    machine.make("test")
    assert not {INSTALL.format("site"), INSTALL.format("dev")} & set(machine.take_calls())
    assert machine.make("slides").returncode == 0
    assert machine.take_calls() == [INSTALL.format("site"), "-m docs.slides"]
    assert machine.make("site").returncode == 0
    execute, build = machine.take_calls()
    assert execute == "-m docs.execute"
    assert build.startswith("-m sphinx -q -W ")


def test_learners_install_nothing_that_only_developers_need():
    learners = {requirement.name for requirement in requirements("test")}
    developers = {"mutmut", "mypy", "playwright", "pyperf", "pytorch-lightning", "ruff", "skorch", "sphinx", "uv"}
    assert not learners & developers


@needs_make
def test_lock_resolves_for_the_oldest_python_and_for_all_platforms(machine):
    machine.add_python()
    assert machine.make("lock", "ARGS=--upgrade").returncode == 0
    command = machine.take_calls()[-1]
    oldest = next(spec.version for spec in REQUIRES_PYTHON if spec.operator == ">=")
    assert command.startswith("-m uv pip compile --universal ")
    assert f" --python-version {oldest} --all-extras " in command
    assert command.endswith("-o requirements.lock pyproject.toml --upgrade")


@needs_make
def test_bench_adds_what_it_compares_with_to_the_set_up(machine):
    machine.add_python()
    machine.make("lab")
    machine.take_calls()
    assert machine.make("bench", "ARGS=loading").returncode == 0
    assert machine.take_calls() == [INSTALL.format("bench"), "-m benchmarks.speed loading"]
    assert machine.make("recipes").returncode == 0
    assert machine.take_calls() == ["-m benchmarks.recipes"]


@needs_make
def test_each_set_of_tools_is_installed_once_though_others_are_installed_after_it(machine):
    machine.add_python()
    for target in "check", "slides", "bench":
        machine.make(target)
    machine.take_calls()
    for target in "check", "slides", "bench", "lab":
        machine.make(target)
    assert not [call for call in machine.take_calls() if "pip install" in call]


@needs_make
def test_clean_removes_what_was_installed_and_cached_and_keeps_the_learners_work(machine):
    machine.add_python()
    machine.make("lab")
    caches = [".pytest_cache", ".ruff_cache", "build", "tutorial_utils.egg-info", "tutorial_utils/__pycache__"]
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


@needs_make
@pytest.mark.parametrize(
    ("pip_says", "told"),
    [
        (NO_SPACE, "The disk is full"),
        (NO_NETWORK, "check the network"),
        (NO_VERSION, "Installing failed: No matching distribution found for torch==2.14.1"),
        ("Killed", "Installing failed: Killed Details: .venv/install.log"),
    ],
)
def test_when_pip_fails_one_sentence_says_why_and_the_next_run_tries_again(machine, pip_says, told):
    machine.add_python(pip_says=pip_says)
    for _ in range(2):
        assert told in the_sentence(machine.make("test"))
        assert machine.take_calls()[-1] == INSTALL.format("test")


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
    machine.add_python(pip_says="Killed").rename(machine.course / ".venv" / "bin" / "python")
    assert "Installing failed: Killed" in the_sentence(machine.make("test"))


@needs_make
def test_a_disk_that_is_full_before_pip_is_there_is_told(machine):
    machine.add_python(ensurepip_says="OSError: [Errno 28] No space left on device")
    assert "The disk is full" in the_sentence(machine.make("test"))


@needs_make
def test_where_there_is_no_log_none_is_named(machine):
    machine.add_python(ensurepip_says="Traceback ...\nOSError: [Errno 5] Input/output error")
    assert the_sentence(machine.make("test")) == "Installing failed: OSError: [Errno 5] Input/output error"


# ------------------------------------------------------------------------------------------- facts that are repeated


def requirements(*groups: str) -> list[Requirement]:
    """What pyproject.toml asks for: always, and with the extras named."""
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for group in groups for line in extras[group])]
    return [Requirement(line) for line in lines if not line.startswith(PROJECT["name"])]


def locked() -> list[Requirement]:
    lines = (COURSE / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines]


def test_the_lock_pins_everything_to_one_version_and_names_no_place():
    for requirement in locked():
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", requirement
        assert "*" not in specifier.version, requirement
        assert Version(specifier.version).local is None, f"{requirement}: a local version is not on every platform"
        assert requirement.url is None, requirement


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
    assert {name: bounds for name, bounds in packages.items() if name not in ("python", "pip")} == wanted


def test_the_conda_environment_has_a_python_in_range_and_takes_the_course_itself_from_pip():
    environment, packages = conda_environment()
    (python,) = packages["python"]
    assert python.operator == "=="
    assert python.version in REQUIRES_PYTHON
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    assert "pip" in packages
    assert environment["dependencies"][-1] == {"pip": ["-e ."]}


def test_ci_runs_the_oldest_and_the_newest_python_on_each_system():
    workflow = yaml.safe_load((COURSE / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    in_range = [f"3.{minor}" for minor in range(30) if f"3.{minor}" in REQUIRES_PYTHON]
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == [in_range[0], in_range[-1]]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert workflow[True].keys() == {"push", "pull_request", "schedule"}  # YAML 1.1 reads the key `on` as true


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
    expected = ["check", "cover", f"{test} ARGS=notebooks tests/test_notebooks.py", "browse sketch true"]
    assert [call for call in calls if not call.startswith("apt-get")] == expected
    assert [call for call in calls if call.startswith("apt-get")] == (
        [] if browser else ["apt-get update", "apt-get install"]
    )
    assert calls[-1] == expected[-1]


@needs_make
@pytest.mark.parametrize("failing", ["check", "cover", "test", "browse", "apt-get"])
def test_the_ci_script_fails_when_anything_fails(machine, failing):
    script = copy_ci_script(machine)
    machine.add_program("make", f'#!/bin/sh\n[ "$1" != {failing} ]\n')
    machine.add_program("apt-get", f"#!/bin/sh\n[ apt-get != {failing} ]\n")
    assert machine.run(script).returncode != 0


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_without_a_browser_its_tests_are_skipped_with_a_word_but_fail_in_ci(tmp_path, ci, outcome):
    command = [sys.executable, "-m", "pytest", "-n0", "-rs", "-m", "site", "tests/test_slides.py", "-k", "lists"]
    environment = os.environ | {"PATH": str(tmp_path), "CI": ci}
    done = subprocess.run(command, cwd=COURSE, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert outcome in done.stdout
    assert "apt install chromium" in done.stdout
