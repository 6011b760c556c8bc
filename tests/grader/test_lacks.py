"""What counts as a lack of where a submission runs, and what as its own fault."""

import locale
import subprocess
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from IPython.core.error import UsageError

from grader import lacks


def raised(act):
    try:
        act()
    except Exception as error:
        return error
    pytest.fail("nothing was raised")


def chained(first, then):
    """An error while another one was being handled."""
    try:
        raise first
    except type(first):
        return raised(lambda: exec("raise error", {"error": then}))


def its_own_cause():
    error = ValueError("wrong")
    error.__cause__ = error
    return error


def each_others_cause():
    first, then = ValueError("wrong"), KeyError("key")
    first.__cause__, then.__cause__ = then, first
    return first


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        raised(lambda: Path("missing").read_text()),
        raised(lambda: __import__("missing_module")),
        raised(lambda: keras.models.load_model("missing.keras")),
        raised(lambda: tf.io.read_file("missing")),
        raised(lambda: subprocess.run(["false"], check=True)),
        raised(lambda: locale.setlocale(locale.LC_ALL, "xx_XX")),
        ImportError("Cannot load backend 'TkAgg', as 'headless' is currently running"),
        UsageError("Line magic function `%tensorflow_version` not found."),
        chained(OSError("no network"), RuntimeError("could not load")),
    ],
    ids=lambda error: f"{type(error).__name__} {error}"[:40],
)
def test_a_lack_of_where_it_runs(error):
    assert lacks.is_outside(error)


@pytest.mark.parametrize(
    "error",
    [
        *(None, ValueError("shapes do not fit"), KeyError("x")),
        *(its_own_cause(), each_others_cause()),
        raised(lambda: exec("from numpy import no_such_name")),
    ],
    ids=str,
)
def test_its_own_fault(error):
    assert not lacks.is_outside(error)
