"""expect(): a lecture's claim about a number. check(): an assignment's about a function."""

import math
import numbers
from pathlib import Path

import numpy as np

from coursekit import answers


class CheckFailed(AssertionError):
    """An answer that is not right; a notebook shows its sentence alone, without a traceback."""

    def _render_traceback_(self):
        return [str(self)]


def check(name, function):
    """Say whether a function of an assignment is right, and if not, which mistake it looks like.

    Calls `function` on the inputs in the assignment's checks.npz, for at most ten seconds in all,
    and compares what it returns with what is stored there. Nothing the function does, raise, loop
    or print without end, goes further than this call.

    Args:
        name: the exercise's name.
        function: the answer.

    Raises:
        CheckFailed: the answer is not right; says why in a sentence.
        FileNotFoundError, ValueError: checks.npz is missing or damaged, or has no such exercise.
    """
    key = answers.load_key(_checks_file(), name)
    found, printed = answers.collect(function, key.arguments, key.cases, key.differentiable)
    if printed:
        print(printed)
    sentence = answers.judge(found, key)
    if sentence:
        raise CheckFailed(f"✗ {name} {sentence}")
    print(f"✓ {name}: right on {len(found)} inputs, {key.points} points")


def _checks_file():
    """checks.npz beside the notebook or, for an instructor's source, beside the student version."""
    here = Path.cwd()
    for folder in (here, here / "../../notebooks/assignments" / here.name):
        if (folder / "checks.npz").exists():
            return folder / "checks.npz"
    raise FileNotFoundError(
        f"checks.npz is not in the notebook's folder, {here}: keep the two files of an assignment "
        "together, or download them again."
    )


class ExpectationError(AssertionError):
    """A claim of a lecture that does not hold in this run."""


def expect(name, value, *, below=None, above=None, within=None, equal=None):
    """Print a measured value beside its bound, and raise where the bound does not hold.

    Args:
        name: what is measured, as a reader would say it.
        value: a number (a 0-d array or tensor will do).
        below, above: inclusive bounds; both may be given.
        within: a pair ``(low, high)``, short for ``above=low, below=high``.
        equal: the exact value, for counts and shapes (then `value` may be a tuple too).

    Returns:
        None: the printed line is the result.

    Raises:
        ExpectationError: the claim does not hold; a NaN never satisfies a bound.
        ValueError: no bound, bounds that contradict each other or are not finite, or bounds mixed
            with `equal`.
        TypeError: `value` or a bound is not a number.
    """
    if within is not None:
        if below is not None or above is not None:
            raise ValueError("give within=(low, high), or below and above, not both.")
        above, below = within
    bounded = below is not None or above is not None
    if bounded == (equal is not None):
        raise ValueError("give either a bound (below, above, within) or equal.")

    if equal is not None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError("value must be a number or a tuple, got an array: name its entries.")
        holds, claim, shown = bool(value == equal), f"= {_show(equal)}", _show(value)
    else:
        value = _number("value", value)
        low = -math.inf if above is None else _bound("above", above)
        high = math.inf if below is None else _bound("below", below)
        if low > high:
            raise ValueError(f"the bounds contradict each other: at least {low}, at most {high}.")
        holds = low <= value <= high
        claim = " and ".join(
            f"{sign} {bound:,.6g}"
            for sign, bound in (("≥", low), ("≤", high))
            if math.isfinite(bound)
        )
        shown = _show(value)
    if not holds:
        raise ExpectationError(f"{name}: measured {shown}, but expected {claim}.")
    print(f"✓ {name}: {shown}" + ("" if equal is not None else f"  ({claim})"))


def _bound(name, value):
    bound = _number(name, value)
    if not math.isfinite(bound):
        raise ValueError(f"{name} must be finite, got {value}.")
    return bound


def _number(name, value):
    if isinstance(value, (bool, str)):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    if np.ndim(value):
        raise TypeError(f"{name} must be a number, got shape {np.shape(value)}.")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}.") from None


def _show(value):
    if isinstance(value, numbers.Integral):
        return f"{int(value):,}"
    return f"{value:,.4g}" if isinstance(value, numbers.Real) else str(value)
