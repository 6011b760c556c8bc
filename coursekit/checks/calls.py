"""Call a student's function within limits, and write down what came back.

Plain arrays and short text: what judges them need not run in the same process.
"""

import contextlib
import copy
import ctypes
import dataclasses
import inspect
import io
import linecache
import threading
import time
import traceback
from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from coursekit import gradients
from coursekit.checks.keys import weights

__all__ = ["Answer", "Sink", "Stopped", "TooMuch", "collect"]

SECONDS = 10  # that one check may take
CHARACTERS = 1_000_000  # that a function may print


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the function did with one case: its outputs, or in `problem` why there are none.

    `changed` names the arguments that were changed in place. `gradient` is that of the first case,
    where it was asked for, and `gradient_problem` says why it is missing. `cut` says that a limit
    or a lack of where it ran ended the call.
    """

    values: tuple = ()
    problem: str = ""
    changed: tuple = ()
    gradient: np.ndarray | None = None
    gradient_problem: str = ""
    cut: bool = False


def collect(
    function: Callable,
    arguments: Sequence[str],
    cases: Sequence[tuple],
    differentiable: str = "",
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
    is_cut: Callable[[BaseException], bool] = lambda error: False,
) -> tuple[list[Answer], str]:
    """Call a student's `function` on every case, within limits, whatever it does.

    Returns an `Answer` per case, and the beginning of what the function printed.

    Args:
        arguments: the names of the function's arguments.
        cases: for each case a tuple of inputs; the function gets copies, by position.
        differentiable: the argument to differentiate by, on the first case, or "".
        seconds: the time for all cases together.
        clock: by which they are counted; `time.process_time` does not count what others compute.
        is_cut: of an error, whether `cut` should say so of its answer.
    """
    if problem := _cannot_be_called(function, arguments):
        return [Answer(problem=problem) for _ in cases], ""
    answers, sink = [], Sink()

    def work():
        with contextlib.suppress(Stopped):
            for i, case in enumerate(cases):
                by = differentiable if i == 0 else ""
                answers.append(_answer(function, arguments, case, by, is_cut))

    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(io.StringIO()):
        _in_time(work, seconds, clock)
    found = list(answers)  # from here on a thread that would not stop adds nothing
    late = f"was stopped after {seconds:g} seconds; is there a loop without end?"
    late = [Answer(problem=late, cut=True)] * (len(cases) - len(found))
    return found + late, sink.getvalue()


class Stopped(BaseException):
    """Sent into a thread that takes too long; no `except Exception` holds it up."""


class TooMuch(BaseException):
    """Raised in a function that prints without end."""


class Sink(io.TextIOBase):
    """Keeps the beginning of what is printed, and ends a flood."""

    encoding = "UTF-8"

    def __init__(self):
        self.kept, self.count = "", 0

    def write(self, text: str) -> int:
        self.count += len(text)
        self.kept += text[: max(0, 2_000 - len(self.kept))]
        if self.count > CHARACTERS:
            raise TooMuch
        return len(text)

    def getvalue(self) -> str:
        """What was kept, and whether there was more."""
        more = self.count > len(self.kept)
        return self.kept.rstrip("\n") + ("\n... (more was printed)" if more else "")


def _in_time(work, seconds, clock):
    """Run `work()` in a thread of its own, which is stopped when the time is up.

    A thread, since a signal would need the main thread and is not to be had on Windows. Python
    code is interrupted; one long call into a library ends by itself, and nobody waits for it.
    """
    thread = threading.Thread(target=work, daemon=True)
    end = clock() + seconds
    thread.start()
    try:
        while thread.is_alive() and (left := end - clock()) > 0:
            thread.join(left)
    finally:
        ident, sent = ctypes.c_ulong(thread.ident), ctypes.py_object(Stopped)
        for _ in range(20):
            if thread.is_alive():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, sent)
                thread.join(0.05)


def _cannot_be_called(function, arguments):
    """Why `function` cannot be called with these arguments, or ""."""
    wanted = f"({', '.join(arguments)})"
    if not callable(function):
        return (
            f"is no function but {_kind(function)}: the answer must be a function of {wanted}, "
            "given to the check by its name, without parentheses."
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return ""
    try:
        signature.bind(*arguments)
    except TypeError:
        return f"must take {wanted}, in this order; yours takes {signature}."
    return ""


def _answer(function, arguments, case, differentiable, is_cut):
    given = copy.deepcopy(case)
    try:
        returned = function(*given)
        values = tuple(map(_array, returned if isinstance(returned, tuple) else (returned,)))
    except Stopped:
        raise
    except BaseException as error:
        return Answer(problem=_told(error, function), cut=is_cut(error))
    changed = tuple(
        name
        for name, before, after in zip(arguments, case, given, strict=True)
        if isinstance(before, np.ndarray) and not np.array_equal(before, after, equal_nan=True)
    )
    if not differentiable:
        return Answer(values, changed=changed)
    position = arguments.index(differentiable)

    def weighted_sum(x):
        given = copy.deepcopy(case)
        output = function(*given[:position], x, *given[position + 1 :])
        output = ops.convert_to_tensor(output[0] if isinstance(output, tuple) else output)
        return ops.sum(output * ops.cast(weights(values[0].shape), output.dtype))

    try:
        gradient = gradients.gradient(weighted_sum, case[position])
    except Stopped:
        raise
    except BaseException as error:
        told = _told(error, function)
        return Answer(values, "", changed, gradient_problem=told, cut=is_cut(error))
    return Answer(values, changed=changed, gradient=gradient)


class _Unusable(Exception):
    """What was returned cannot be compared; says why."""


def _array(value):
    """One returned value as an array, or raise `_Unusable`."""
    if value is None:
        raise _Unusable("returned None; does it end with a line `return ...`?")
    if isinstance(value, (list, tuple)):
        raise _Unusable(
            f"returned a Python {type(value).__name__} where an array is wanted: compute with "
            "whole arrays, or convert at the end with `np.array(...)`."
        )
    if isinstance(value, keras.KerasTensor) or "Symbolic" in type(value).__name__:
        raise _Unusable(
            "returned a symbolic tensor, which has no values: compute with the arguments that are "
            "passed in; no `keras.Input` or model is needed."
        )
    if callable(value) and not hasattr(value, "shape"):
        raise _Unusable(f"returned {_kind(value)} in place of numbers; are parentheses missing?")
    if ops.is_tensor(value):
        value = ops.convert_to_numpy(value)
    try:
        array = np.array(value)
    except Exception:
        array = np.array(None)
    if array.dtype.kind not in "fiub" and "bfloat16" not in array.dtype.name:
        raise _Unusable(f"returned {_kind(value)}, where an array of real numbers is wanted.")
    return array.astype("float32") if array.dtype.kind == "V" else array


def _told(error, function):
    """What went wrong in a call, as the rest of a sentence that begins with the function's name."""
    if isinstance(error, _Unusable):
        return str(error)
    if isinstance(error, NotImplementedError):
        return "is not written yet: put your code in place of `raise NotImplementedError()`."
    if isinstance(error, TooMuch):
        return f"printed more than {CHARACTERS:,} characters and was stopped."
    where = ""
    code = getattr(inspect.unwrap(function), "__code__", None)
    for frame, number in traceback.walk_tb(error.__traceback__):
        if code is not None and frame.f_code.co_filename == code.co_filename:
            line = linecache.getline(code.co_filename, number).strip()
            where = f", in `{line}`" if line else ""
    what = str(error).strip().split("\n")[0][:300]
    return f"raised {type(error).__name__}{where}" + (f": {what}" if what else ".")


def _kind(value):
    name = type(value).__name__
    return f"an {name}" if name.startswith((*"aeiou", "nd")) else f"a {name}"
