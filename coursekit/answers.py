"""A student's function, called and judged: what `check` does in a notebook, and grading outside.

`collect` calls the function on given inputs and writes down what came back, as plain arrays and
short text; `judge` compares that with a `Key` and finds the sentence to say. The two need not run
in the same process. No solution stands here: a key holds numbers.
"""

import contextlib
import ctypes
import dataclasses
import inspect
import io
import json
import linecache
import threading
import time
import zipfile

import keras
import numpy as np
from keras import ops

from coursekit import runtime

SECONDS = 10  # that one check may take
CHARACTERS = 1_000_000  # that a function may print


@dataclasses.dataclass(frozen=True)
class Key:
    """What one exercise's answers are compared with.

    `cases` holds the inputs: for each case one value per name in `arguments`, an array or a
    number. `expected` holds for each case the outputs, a tuple of arrays, and `wrong` pairs of a
    sentence and, for each case, the outputs of someone who makes that mistake. Two numbers agree
    if they differ by at most atol + rtol * |expected|. `gradient` is the derivative of the first
    case's output, summed with `weights`, with respect to the argument `differentiable`.
    """

    name: str
    arguments: tuple
    cases: tuple
    expected: tuple
    wrong: tuple
    points: int
    rtol: float
    atol: float
    differentiable: str = ""
    gradient: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the function did with one case: its outputs, or in `problem` why there are none.

    `changed` names the arguments that were changed in place. `gradient` is that of the first case,
    where it was asked for, and `gradient_problem` says why it is missing.
    """

    values: tuple = ()
    problem: str = ""
    changed: tuple = ()
    gradient: np.ndarray | None = None
    gradient_problem: str = ""


def weights(shape):
    """The fixed weights, from 1 to 2, with which an output is summed before it is differentiated.

    A plain sum would not do: that of a softmax, say, is constant.
    """
    return np.linspace(1, 2, int(np.prod(shape)), dtype="float32").reshape(shape)


def collect(function, arguments, cases, differentiable="", seconds=SECONDS, clock=time.monotonic):
    """Call `function` on every case, within limits, whatever it does.

    Args:
        function: the student's.
        arguments: the names of its arguments, for messages.
        cases: for each case a tuple of inputs; the function gets copies, by position.
        differentiable: the argument to differentiate by, on the first case, or "".
        seconds: the time for all cases together.
        clock: by which they are counted; `time.process_time` does not count what others compute.

    Returns:
        A list with one `Answer` per case, and the beginning of what the function printed.
    """
    problem = _cannot_be_called(function, arguments)
    if problem:
        return [Answer(problem=problem) for _ in cases], ""
    answers, sink = [], Sink()

    def work():
        for i, case in enumerate(cases):
            by = differentiable if i == 0 else ""
            answers.append(_answer(function, arguments, case, by))

    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(io.StringIO()):
        _in_time(work, seconds, clock)
    found = list(answers)  # from here on a thread that would not stop adds nothing
    late = Answer(problem=f"was stopped after {seconds:g} seconds; is there a loop without end?")
    return found + [late] * (len(cases) - len(found)), sink.getvalue()


def judge(answers, key):
    """The sentence to say about the answers to a key's cases, or "" where all is right."""
    right = [
        _matches(answer, want, key) for answer, want in zip(answers, key.expected, strict=True)
    ]
    if all(right):
        return _in_place(answers) or _gradient(answers[0], key)
    for sentence, outputs in key.wrong:
        if all(_matches(answer, want, key) for answer, want in zip(answers, outputs, strict=True)):
            return sentence
    first = right.index(False)
    sentence = _difference(answers[first], key, first)
    sizes = [_batch(case) for case in key.cases]
    fits = {size for size, ok in zip(sizes, right, strict=True) if ok}
    if fits and not fits & {size for size, ok in zip(sizes, right, strict=True) if not ok}:
        return (
            f"is right for a batch of {min(fits)}, but not for one of {sizes[first]}; is a size "
            f"written into it as a number? For the batch of {sizes[first]} it {sentence}"
        )
    return sentence


def save_keys(path, keys):
    """Write keys to an .npz file: numbers and text, the same bytes for the same keys."""
    arrays = {}
    for key in keys:
        about = {
            "arguments": key.arguments,
            "points": key.points,
            "rtol": key.rtol,
            "atol": key.atol,
            "differentiable": key.differentiable,
            "wrong": [sentence for sentence, _ in key.wrong],
            "cases": len(key.cases),
            "outputs": len(key.expected[0]),
        }
        arrays[f"{key.name}/about"] = np.array(json.dumps(about))
        for i, (case, want) in enumerate(zip(key.cases, key.expected, strict=True)):
            arrays |= {f"{key.name}/{i}/in{j}": value for j, value in enumerate(case)}
            arrays |= {f"{key.name}/{i}/out{j}": value for j, value in enumerate(want)}
            for w, (_, outputs) in enumerate(key.wrong):
                for j, value in enumerate(outputs[i]):
                    arrays[f"{key.name}/{i}/wrong{w}-{j}"] = value
        if key.gradient is not None:
            arrays[f"{key.name}/gradient"] = key.gradient
    # np.savez would write the time of day into the file.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(name + ".npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # the same on Windows
            file.writestr(entry, buffer.getvalue())


def load_key(path, name):
    """The `Key` of one exercise in a file that `save_keys` wrote.

    Raises:
        ValueError: the file is damaged, or has no exercise of that name.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [entry.split("/")[0] for entry in file.files if entry.endswith("/about")]
            if name not in names:
                raise ValueError(
                    f"There is no exercise {name!r} in this assignment: it has {', '.join(names)}."
                )
            about = json.loads(str(file[f"{name}/about"]))
            cases, outputs = range(about["cases"]), range(about["outputs"])
            return Key(
                name=name,
                arguments=tuple(about["arguments"]),
                cases=tuple(
                    tuple(
                        _number(file[f"{name}/{i}/in{j}"]) for j in range(len(about["arguments"]))
                    )
                    for i in cases
                ),
                expected=tuple(tuple(file[f"{name}/{i}/out{j}"] for j in outputs) for i in cases),
                wrong=tuple(
                    (
                        sentence,
                        tuple(
                            tuple(file[f"{name}/{i}/wrong{w}-{j}"] for j in outputs) for i in cases
                        ),
                    )
                    for w, sentence in enumerate(about["wrong"])
                ),
                points=about["points"],
                rtol=about["rtol"],
                atol=about["atol"],
                differentiable=about["differentiable"],
                gradient=file[f"{name}/gradient"] if about["differentiable"] else None,
            )
    except (zipfile.BadZipFile, KeyError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} is damaged: restore it with `git checkout`, or download it again."
        ) from error


# Calling


class Stopped(BaseException):
    """Sent into a thread that takes too long; no `except Exception` holds it up."""


class TooMuch(BaseException):
    """Raised in a function that prints without end."""


class Sink(io.TextIOBase):
    """Keeps the beginning of what is printed, and ends a flood."""

    def __init__(self):
        self.kept, self.count = "", 0

    def write(self, text):
        self.count += len(text)
        self.kept += text[: max(0, 2_000 - len(self.kept))]
        if self.count > CHARACTERS:
            raise TooMuch
        return len(text)

    def getvalue(self):
        more = self.count > len(self.kept)
        return self.kept.rstrip("\n") + ("\n... (more was printed)" if more else "")


def _in_time(work, seconds, clock):
    """Run `work()` in a thread of its own, which is stopped when the time is up.

    A thread, since a signal would need the main thread and is not to be had on Windows. Python
    code is interrupted; one long call into a library ends by itself, and nobody waits for it.
    """
    thread = threading.Thread(target=_until_stopped, args=(work,), daemon=True)
    end = clock() + seconds
    thread.start()
    try:
        while thread.is_alive() and (left := end - clock()) > 0:
            thread.join(left)
    finally:
        for _ in range(20):
            if not thread.is_alive():
                break
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(Stopped)
            )
            thread.join(0.05)


def _until_stopped(work):
    with contextlib.suppress(Stopped):
        work()


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


def _answer(function, arguments, case, differentiable):
    given = [_copy(value) for value in case]
    try:
        returned = function(*given)
        values = tuple(
            _array(value) for value in (returned if isinstance(returned, tuple) else (returned,))
        )
    except Stopped:
        raise
    except BaseException as error:
        return Answer(problem=_told(error, function))
    changed = tuple(
        name
        for name, before, after in zip(arguments, case, given, strict=True)
        if isinstance(before, np.ndarray) and not np.array_equal(before, after, equal_nan=True)
    )
    if not differentiable:
        return Answer(values, changed=changed)
    position = arguments.index(differentiable)

    def weighted_sum(x):
        given = [x if i == position else _copy(value) for i, value in enumerate(case)]
        output = function(*given)
        output = ops.convert_to_tensor(output[0] if isinstance(output, tuple) else output)
        return ops.sum(output * ops.cast(weights(values[0].shape), output.dtype))

    try:
        gradient = runtime.gradient(weighted_sum, case[position])
    except Stopped:
        raise
    except BaseException as error:
        return Answer(values, changed=changed, gradient_problem=_told(error, function))
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
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if code is not None and frame.f_code.co_filename == code.co_filename:
            line = linecache.getline(code.co_filename, trace.tb_lineno).strip()
            where = f", in `{line}`" if line else ""
        trace = trace.tb_next
    what = str(error).strip().split("\n")[0][:300]
    return (
        f"raised {type(error).__name__}{where}: {what}"
        if what
        else (f"raised {type(error).__name__}{where}.")
    )


def _copy(value):
    return value.copy() if isinstance(value, np.ndarray) else value


def _number(array):
    return array.item() if array.ndim == 0 else array


def _kind(value):
    name = type(value).__name__
    if name == "function":
        return "a function"
    return f"an {name}" if name.startswith((*"aeiou", "nd")) else f"a {name}"


# Comparing


def _agree(values, wanted, key):
    """Whether outputs equal others within the tolerance; NaN equals NaN, inf equals inf."""
    return len(values) == len(wanted) and all(
        value.shape == want.shape
        and np.allclose(value.astype("float64"), want, rtol=key.rtol, atol=key.atol, equal_nan=True)
        for value, want in zip(values, wanted, strict=True)
    )


def _matches(answer, wanted, key):
    return not answer.problem and _agree(answer.values, wanted, key)


def _batch(case):
    """The first axis of the first input that is an array."""
    return next((len(value) for value in case if isinstance(value, np.ndarray)), 0)


def _difference(answer, key, i):
    """What is wrong with the answer to case i."""
    if answer.problem:
        return answer.problem
    wanted = key.expected[i]
    if len(answer.values) != len(wanted):
        return (
            f"returned {len(answer.values)} values in a tuple, where {len(wanted)} "
            f"{'is' if len(wanted) == 1 else 'are'} wanted."
        )
    which = "".join(
        f", {name} of shape {value.shape}"
        if isinstance(value, np.ndarray)
        else f", {name} = {value:g}"
        for name, value in zip(key.arguments, key.cases[i], strict=True)
    )
    which = f"input {i + 1} ({which.removeprefix(', ')})"
    for j, (value, want) in enumerate(zip(answer.values, wanted, strict=True)):
        output = "" if len(wanted) == 1 else f"output {j + 1} "
        if value.shape != want.shape:
            hint = ""
            if value.shape == want.shape[::-1]:
                hint = " It looks transposed."
            elif value.size == want.size:
                hint = " The number of values is right, their arrangement is not."
            return (
                f"returned {output}of shape {value.shape} instead of {want.shape} for {which}."
                f"{hint}"
            )
        value = value.astype("float64")
        unusable = ~np.isfinite(value)
        if unusable.any():
            return (
                f"returned {int(unusable.sum()):,} values of {value.size:,} that are NaN or "
                f"infinite, the first at {_place(unusable)}, for {which}; look for a logarithm or "
                "a division that meets 0, or an exponential of a large number."
            )
        apart = np.abs(value - want)
        off = apart > key.atol + key.rtol * np.abs(want)
        if off.any():
            at = np.unravel_index(off.argmax(), off.shape)
            return (
                f"returned {output}{value[at]:.6g} instead of {want[at]:.6g} at {_place(off)} for "
                f"{which}; {int(off.sum()):,} of {off.size:,} values differ, by up to "
                f"{apart.max():.3g}.{_pattern(value, want)}"
            )
    raise AssertionError("an answer that differs nowhere is right")


def _place(mask):
    at = np.unravel_index(mask.argmax(), mask.shape)
    return f"index [{', '.join(map(str, at))}]" if at else "the only place"


def _pattern(value, want):
    """A factor or a distance that is the same everywhere, as a sentence, or ""."""
    large = np.abs(want) > 1e-3 * np.abs(want).max()
    if value.size > 1 and large.any() and np.abs(want).max() > 0:
        ratio = value[large] / want[large]
        if np.ptp(ratio) <= 1e-3 * np.abs(ratio).max():
            if abs(ratio.mean() + 1) < 1e-3:
                return " Every value has the opposite sign."
            return f" Every value is {ratio.mean():.4g} times what it should be."
        if np.ptp(value - want) <= 1e-3 * np.abs(value - want).max():
            return f" Every value is off by the same {np.mean(value - want):.4g}."
    return ""


def _in_place(answers):
    for answer in answers:
        if answer.changed:
            return (
                f"computes the right values, but changes its input {answer.changed[0]} in place, "
                "which spoils it for whoever uses it next; work on a new array."
            )
    return ""


def _gradient(answer, key):
    if not key.differentiable:
        return ""
    missing = (
        f"computes the right values, but no gradient with respect to {key.differentiable} comes "
        "through, so nothing could be trained with it; use `keras.ops` from the argument to the "
        "result, without NumPy, `float` or rounding on the way."
    )
    if answer.gradient_problem:
        return f"{missing} (When differentiated it {answer.gradient_problem})"
    if answer.gradient is None or answer.gradient.shape != key.gradient.shape:
        return missing
    unusable = ~np.isfinite(answer.gradient)
    if unusable.any():
        return (
            f"computes the right values, but its gradient with respect to {key.differentiable} is "
            f"NaN or infinite at {_place(unusable)}: the derivative of a value that is not used "
            "counts as well (0 times infinity), so keep the argument in its range before a "
            "logarithm, a division or a root, and not only the result with `where`."
        )
    apart = np.abs(answer.gradient - key.gradient)
    largest = np.abs(key.gradient).max()
    if answer.gradient.any() and apart.max() <= 1e-2 * largest:
        return ""
    if not answer.gradient.any():
        return missing
    off = ~(apart <= 1e-2 * largest)
    at = np.unravel_index(off.argmax(), off.shape)
    return (
        f"computes the right values, but its gradient with respect to {key.differentiable} is "
        f"wrong: {answer.gradient[at]:.4g} instead of {key.gradient[at]:.4g} at {_place(off)}; "
        "is a part of it cut off by `stop_gradient`, or taken from NumPy?"
    )
