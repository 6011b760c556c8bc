"""What `check` says about answers that are not even wrong; that it says it, and goes on."""

import contextlib
import dataclasses
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest
from keras import ops

import coursekit as ck
from coursekit.checks import calls, diagnosis, keys

X = np.arange(6, dtype="float32").reshape(3, 2)
Y = np.arange(1, 9, dtype="float32").reshape(4, 2)
KEY = keys.Key(
    name="doubled",
    arguments=("x", "by"),
    cases=((X, 2.0), (Y, 2.0)),
    expected=((2 * X,), (2 * Y,)),
    wrong=(("adds in place of multiplying.", ((X + 2,), (Y + 2,))),),
    points=3,
    rtol=1e-4,
    atol=1e-6,
    differentiable="x",
    gradient=2 * keys.weights((3, 2)),
)


@pytest.fixture
def check(tmp_path, monkeypatch):
    """ck.check on the key above, or on changes of it, as a notebook would call it."""

    def check(function, **changes):
        keys.save_keys("checks.npz", [dataclasses.replace(KEY, **changes)])
        ck.check("doubled", function)

    monkeypatch.chdir(tmp_path)
    return check


def test_a_right_answer_is_praised(check, capsys):
    check(lambda x, by: x * by)
    assert capsys.readouterr().out == "✓ doubled: right on 2 inputs, 3 points\n"


def loop(x, by):
    while True:
        pass


def stubborn(x, by):
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


def flood(x, by):
    while True:
        print("x" * 1000)


def fifty_megabytes(x, by):
    for _ in range(50_000):
        print("x" * 999)
    return x * by


def endless_and_deaf(x, by):
    while True:
        with contextlib.suppress(Exception):
            print("x" * 999)


def not_written(x, by):
    raise NotImplementedError()


def raises(x, by):
    return x.reshape(7)


def leaves(x, by):
    sys.exit(1)


def recursive(x, by):
    return recursive(x, by)


def in_place(x, by):
    if isinstance(x, np.ndarray):
        x *= by
        return x.copy()
    return x * by


def cut_off(x, by):
    return ops.stop_gradient(x) * by


def partly_cut_off(x, by):
    return x + ops.stop_gradient(x) * (by - 1)


def hidden_infinity(x, by):
    return ops.where(x < 1000, x * by, ops.log(0 * x))


BAD = {
    "not written": (not_written, "is not written yet"),
    "raises": (raises, r"raised ValueError, in `return x.reshape\(7\)`: cannot reshape"),
    "leaves": (leaves, "raised SystemExit"),
    "recursive": (recursive, "raised RecursionError"),
    "None": (lambda x, by: None, "returned None"),
    "list": (lambda x, by: (x * by).tolist(), "returned a Python list"),
    "symbolic": (lambda x, by: keras.Input((2,)) * by, "returned a symbolic tensor"),
    "function": (lambda x, by: ops.sum, "returned a function"),
    "text": (lambda x, by: "x", "returned a str"),
    "two values": (lambda x, by: (x, x), "returned 2 values in a tuple, where 1 is wanted"),
    "transposed": (lambda x, by: (x * by).T, r"shape \(2, 3\) instead of \(3, 2\).*transposed"),
    "flat": (lambda x, by: (x * by).ravel(), "the number of values is right"),
    "NaN": (
        lambda x, by: np.where(x == 3, np.nan, x * by),
        r"1 values of 6 that are NaN or infinite, the first at index \[1, 1\]",
    ),
    "factor": (lambda x, by: x * by * 3, "Every value is 3 times what it should be"),
    "sign": (lambda x, by: -x * by, "opposite sign"),
    "offset": (lambda x, by: x * by + 0.5, "off by the same 0.5"),
    "somewhere": (
        lambda x, by: np.where(x == 3, 7, x * by),
        r"returned 7 instead of 6 at index \[1, 1\] for input 1 .*1 of 6 values differ, by up to 1",
    ),
    "known mistake": (lambda x, by: x + by, "adds in place of multiplying"),
    "arguments": (lambda x: x, r"must take \(x, by\), in this order; yours takes \(x\)"),
    "no function": (X, "is no function but an ndarray"),
    "batch size": (
        lambda x, by: np.reshape(x, (3, 2)) * by,
        "is right for a batch of 3, but not for one of 4",
    ),
    "in place": (in_place, "changes its input x in place"),
    "NumPy": (lambda x, by: np.asarray(x) * by, "no gradient with respect to x"),
    "cut off": (cut_off, "no gradient with respect to x"),
    "partly cut off": (partly_cut_off, "its gradient with respect to x is wrong: 1 instead of 2"),
    "hidden infinity": (hidden_infinity, r"gradient .* is NaN or infinite at index \[0, 0\]"),
    "flood": (flood, "printed more than 1,000,000 characters"),
    "50 MB": (fifty_megabytes, "printed more than 1,000,000 characters and was stopped"),
    "deaf flood": (endless_and_deaf, "printed more than 1,000,000 characters"),
}


@pytest.mark.parametrize(("function", "sentence"), BAD.values(), ids=BAD)
def test_a_bad_answer_gets_a_sentence(check, function, sentence):
    with pytest.raises(ck.CheckFailed, match=f"(?is)^✗ doubled .*{sentence}") as caught:
        check(function)
    assert caught.value._render_traceback_() == [str(caught.value)]
    assert len(str(caught.value)) < 600


@pytest.mark.medium
@pytest.mark.parametrize("function", [loop, stubborn, lambda x, by: time.sleep(3)])
def test_nothing_hangs(check, function, monkeypatch):
    found, _ = calls.collect(function, KEY.arguments, KEY.cases, seconds=0.2)
    assert "was stopped after 0.2 seconds" in diagnosis.judge(found, KEY)
    with pytest.raises(ck.CheckFailed):  # the next check works
        check(not_written)
    check(lambda x, by: x * by)


CELLS = {
    "the name check": "check = lambda *given: None",
    "names that the check uses": "np = ops = keras = answers = judge = collect = Key = None",
    "built-in names": "print = len = all = zip = tuple = isinstance = str = None",
    "NumPy's errors": "before = np.seterr(all='raise')",
    "random numbers": "np.random.seed(0); keras.utils.set_random_seed(0)",
}
SPOILERS = {
    "standard output": "sys.stdout.close(); sys.stdout = None",
    "NumPy's errors": "np.seterr(all='raise')",
    "its inputs": "x[...] = 0",
    "a global name check": "global check; check = lambda *given: None",
    "a thread that goes on": "threading.Thread(target=time.sleep, args=(2,), daemon=True).start()",
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_what_a_cell_does_to_the_notebooks_names_changes_no_later_check(check, cell):
    notebook = {"np": np, "keras": keras}
    with np.errstate():  # which puts back what the cell has set
        exec(cell, notebook)
        exec("def doubled(x, by): return x * by\ndef tripled(x, by): return 3 * x", notebook)
        check(notebook["doubled"])
        with pytest.raises(ck.CheckFailed, match=r"Every value is 1\.5 times"):
            check(notebook["tripled"])


@pytest.mark.filterwarnings("ignore:invalid value")  # a warning, as it should be: no error
@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS)
def test_what_one_answer_does_changes_no_later_check(check, spoil, capsys):
    notebook = {"np": np, "sys": sys, "threading": threading, "time": time}
    exec(f"def spoiler(x, by):\n    {spoil}\n    return None", notebook)
    with pytest.raises(ck.CheckFailed):
        check(notebook["spoiler"])
    check(lambda x, by: np.where(x == 0, 0, x * x / x) * by, differentiable="", gradient=None)
    assert "✓ doubled" in capsys.readouterr().out
    with pytest.raises(ck.CheckFailed, match=r"Every value is 1\.5 times"):
        check(lambda x, by: 3 * x)


def test_a_replaced_check_praises_nobody_and_marks_do_not_need_it(check, monkeypatch, capsys):
    """Nothing in a process withstands the process's own code: later checks say nothing at all."""
    monkeypatch.setattr(ck, "check", ck.check)  # put back at the end
    exec("ck.check = lambda *given: None", {"ck": ck})
    check(not_written)
    check(lambda x, by: x * by)
    assert capsys.readouterr().out == ""
    found, _ = calls.collect(not_written, KEY.arguments, KEY.cases)
    assert "is not written yet" in diagnosis.judge(found, KEY)


def test_what_is_printed_is_shown_up_to_a_limit(check, capsys):
    def talks(x, by):
        print("shape", tuple(x.shape))
        print("a warning", file=sys.stderr)
        return x * by

    check(talks)
    shown = capsys.readouterr()
    assert shown.out.startswith("shape (3, 2)\n")
    assert shown.err == ""


@pytest.mark.parametrize(
    "function",
    [
        lambda x, by: ops.convert_to_tensor(x) * by,
        lambda a, b: ops.multiply(a, b),
        lambda x, by: ops.cast(x, "float64") * by,
        lambda *given: given[0] * given[1],
    ],
)
def test_right_answers_may_be_of_any_kind(check, function):
    check(function)


def test_lists_do_where_no_array_is_needed(check):
    """A float answers a question for one number."""
    check(
        lambda x, by: float(np.sum(x)),
        expected=((X.sum(),), (Y.sum(),)),
        wrong=(),
        differentiable="",
        gradient=None,
    )


def test_a_key_survives_its_file_and_files_are_equal(tmp_path):
    for name in ("a.npz", "b.npz"):
        keys.save_keys(tmp_path / name, [KEY])
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = keys.load_key(tmp_path / "a.npz", "doubled")
    for field in dataclasses.fields(KEY):
        np.testing.assert_equal(getattr(loaded, field.name), getattr(KEY, field.name))


def test_a_missing_or_damaged_file_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="keep the two files of an assignment together"):
        ck.check("doubled", loop)
    keys.save_keys("checks.npz", [KEY])
    with pytest.raises(ValueError, match=r"There is no exercise 'tripled'.*: it has doubled"):
        ck.check("tripled", loop)
    content = (tmp_path / "checks.npz").read_bytes()
    (tmp_path / "checks.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="is damaged"):
        ck.check("doubled", loop)


@pytest.mark.medium
def test_students_import_nothing_of_the_grader():
    code = "import sys, coursekit; print([m for m in sys.modules if m.split('.')[0] == 'grader'])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
