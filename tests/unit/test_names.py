"""What a student finds behind ``ck.<Tab>``, and what the package says of itself."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import coursekit as ck

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = {
    f"ck.{name}": module for name, module in inspect.getmembers(ck) if inspect.ismodule(module)
}
PUBLIC |= {"ck": ck, "ck.datasets.manifolds": ck.datasets.manifolds}


@pytest.fixture(scope="module")
def completer():
    """What JupyterLab's kernel asks when a student presses Tab."""
    shell = InteractiveShell(config=Config(HistoryManager={"enabled": False}))
    shell.user_ns["ck"] = ck
    return shell.Completer


def completions(completer, text):
    with provisionalcompleter():
        return {found.text.removeprefix(".") for found in completer.completions(text, len(text))}


@pytest.mark.parametrize("jedi", [False, True])
@pytest.mark.parametrize("name", PUBLIC)
def test_completion_shows_what_a_student_may_use_and_nothing_else(completer, name, jedi):
    completer.use_jedi = jedi
    public = set(PUBLIC[name].__all__)
    assert completions(completer, f"{name}.") == public
    assert set(dir(PUBLIC[name])) == public
    assert not {shown for shown in public if shown.startswith("_") or shown in sys.modules}


def test_completion_of_a_beginning(completer):
    completer.use_jedi = False
    assert completions(completer, "ck.ch") == {"check"}
    assert completions(completer, "ck.datasets.fa") == {"faces", "fashion_mnist"}
    assert completions(completer, "ck.sy") == set()  # sys, which the package imports


def test_the_public_modules_are_the_known_ones():
    assert set(PUBLIC) == {"ck", "ck.datasets.manifolds"} | {
        f"ck.{name}"
        for name in (
            "callbacks", "datasets", "digits", "layers", "losses", "metrics", "models", "plots",
            "priors", "regularizers", "widgets",
        )
    }  # fmt: skip


def test_one_version():
    """An installer reads the version off the package, without importing it."""
    command = [sys.executable, "-m", "hatchling", "metadata", "version"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ck.__version__


def test_the_wheel_says_that_the_package_is_annotated():
    shipped = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {"coursekit/py.typed", "coursekit/__init__.py", "coursekit/data/mnist.npz"} <= {
        path.replace("\\", "/") for path in shipped
    }
