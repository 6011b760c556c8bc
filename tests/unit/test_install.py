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

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


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
