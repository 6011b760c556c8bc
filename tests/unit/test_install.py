"""The two commands' set-up: what is pinned, what is said when it cannot work."""

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
from packaging.utils import canonicalize_name

import coursekit

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
needs_make = pytest.mark.skipif(
    shutil.which("make") is None or os.name == "nt", reason="make is not installed"
)


def make(target, *options, **environment):
    command = ["make", "-C", str(ROOT), "--no-print-directory", target, *options]
    outer = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(
        command, env={**outer, **environment}, capture_output=True, text=True, timeout=120
    )


def pinned():
    lines = (ROOT / "constraints.txt").read_text().split("\n")
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def test_every_dependency_is_pinned_inside_its_range():
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *extras["test"], *extras["instructor"]]:
        requirement = Requirement(text)
        assert pinned()[canonicalize_name(requirement.name)] in requirement.specifier, text


def test_constraints_hold_names_and_exact_versions_only():
    for line in (ROOT / "constraints.txt").read_text().rstrip().split("\n")[1:]:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line), line


def test_environment_yml_takes_everything_from_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, packages = environment["dependencies"]
    assert python == f"python{PROJECT['requires-python']}"
    assert pip == "pip"
    assert packages == {"pip": ["-c constraints.txt", "-e ."]}


@needs_make
def test_no_python_that_is_new_enough(tmp_path):
    old = tmp_path / "python3"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.exit(1)"\n')
    old.chmod(0o755)
    done = make("lab", f"VENV={tmp_path}/venv", f"PYTHON={old}")
    assert done.returncode != 0
    assert "Python 3.11, 3.12 or 3.13 is needed and was not found" in done.stderr
    assert not (tmp_path / "venv").exists()


@needs_make
@pytest.mark.slow
def test_no_network_during_the_installation(tmp_path):
    nowhere = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_RETRIES": "0",
    }
    nowhere |= {"PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    done = make("lab", f"VENV={tmp_path}/venv", f"PYTHON={sys.executable}", **nowhere)
    assert done.returncode != 0
    assert "check the network and run the same command again" in done.stderr
    assert not (tmp_path / "venv" / ".course").exists()


@needs_make
def test_a_second_run_installs_nothing(tmp_path):
    venv = tmp_path / "venv"
    first = make("-n", "lab", f"VENV={venv}")
    assert "pip install" in first.stdout
    venv.mkdir()
    (venv / ".course").touch()
    second = make("-n", "lab", f"VENV={venv}")
    assert "pip install" not in second.stdout
    assert "jupyter lab" in second.stdout


@pytest.fixture
def stand_in(tmp_path):
    """An environment whose commands only write down how they were called; the log's path."""
    log, binaries = tmp_path / "log", tmp_path / "bin"
    binaries.mkdir()
    for name in ("python", "ruff", "lint-imports", "chromium", "bwrap"):
        command = binaries / name
        command.write_text(f'#!/bin/sh\necho "REQUIRE_ALL=$REQUIRE_ALL {name} $*" >> {log}\n')
        command.chmod(0o755)
    for done in (".course", ".test"):
        (tmp_path / done).touch()
    return log


@needs_make
@pytest.mark.parametrize("before", [{}, {"REQUIRE_ALL": "0"}, {"REQUIRE_ALL": ""}])
def test_continuous_integration_runs_everything_and_lets_nothing_be_skipped(stand_in, before):
    outer = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "REQUIRE_ALL")}
    path = f"{stand_in.parent / 'bin'}{os.pathsep}{outer['PATH']}"
    environment = {**outer, "VENV": str(stand_in.parent), "PATH": path, **before}
    subprocess.run([ROOT / ".ci" / "run"], env=environment, check=True, timeout=60)
    calls = stand_in.read_text().splitlines()
    assert all(call.startswith("REQUIRE_ALL=1 ") for call in calls)
    for part in ("ruff check .", "ruff format --check .", "lint-imports"):
        assert any(part in call for call in calls), part
    tests = " ".join(call for call in calls if "-m pytest" in call)
    for folder in (ROOT / "tests").iterdir():
        assert f"tests/{folder.name}" in tests or not any(folder.glob("test_*.py")), folder
    notebooks = [call for call in calls if "--nbval" in call]
    assert all("-p tests.conftest" in call for call in notebooks)
    for notebook in sorted(ROOT.glob("notebooks/[0-9]*.ipynb")) + sorted(
        ROOT.glob("instructor/*/*.ipynb")
    ):
        assert str(notebook.relative_to(ROOT)) in " ".join(notebooks)


@needs_make
@pytest.mark.parametrize(("target", "required"), [("chromium", "1"), ("bubblewrap", "yes")])
def test_what_is_missing_stops_make_if_everything_is_required(tmp_path, target, required):
    command = [shutil.which("make"), "-C", str(ROOT), target]
    for value, code in ((required, 2), ("0", 0), ("", 0)):
        environment = {"PATH": str(tmp_path), "HOME": str(tmp_path), "REQUIRE_ALL": value}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        sentence = f"{target} is missing, and REQUIRE_ALL is set"
        assert (sentence in done.stderr) == bool(code)


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert citation["version"] == coursekit.__version__
    assert re.search(r"^## \[(.+)\]", changes, re.MULTILINE).group(1) == coursekit.__version__
