"""expect(): a lecture's claim about a number."""

import math
import numbers
from typing import Any

import numpy as np
from keras import ops

__all__ = ["ExpectationError", "expect"]


class ExpectationError(AssertionError):
    """A claim of a lecture that does not hold in this run."""


def expect(
    name: str,
    value: Any,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    equal: float | tuple | None = None,
    within: tuple[float, float] | None = None,
) -> None:
    """Print a measured value beside its bound, and raise where the bound does not hold.

    That is an `ExpectationError`; a NaN satisfies no bound. Where `value` or a bound is no number,
    or they make no claim or several, it is a TypeError or ValueError.

    Args:
        name: what is measured, as a reader would say it.
        value: a number (a 0-d array or tensor will do).
        at_least, at_most: inclusive bounds; both may be given.
        equal: the exact value, for counts and shapes (then `value` may be a tuple too).
        within: a pair ``(low, high)``, short for ``at_least=low, at_most=high``.
    """
    if within is not None:
        if at_least is not None or at_most is not None:
            raise ValueError("give within=(low, high), or at_least and at_most, not both.")
        if not isinstance(within, (tuple, list)) or len(within) != 2 or None in within:
            raise TypeError(f"within must be a pair of numbers (low, high), got {within!r}.")
        at_least, at_most = within
    for key, bound in (("at_least", at_least), ("at_most", at_most)):
        if bound is not None and not math.isfinite(_number(key, bound)):
            raise ValueError(f"{key} must be finite, got {bound}.")
    low = -math.inf if at_least is None else float(at_least)
    high = math.inf if at_most is None else float(at_most)
    ends = [f"{sign} {end:,.6g}" for sign, end in (("≥", low), ("≤", high)) if math.isfinite(end)]
    if bool(ends) == (equal is not None):
        raise ValueError("give either a bound (at_least, at_most, within) or equal.")
    if low > high:
        raise ValueError(f"the bounds contradict each other: at least {low}, at most {high}.")
    if equal is None:
        value = _number("value", value)
        holds, claim = low <= float(value) <= high, " and ".join(ends)
    else:
        if not isinstance(value, (tuple, list)):
            value, equal = _number("value", value), _number("equal", equal)
        holds, claim = value == equal, f"= {_show(equal)}"
    if not holds:
        raise ExpectationError(f"{name}: measured {_show(value)}, but expected {claim}.")
    print(f"✓ {name}: " + (f"{_show(value, ',.4g')}  ({claim})" if ends else _show(value)))


def _number(name, value):
    """`value` as a Python or NumPy number: what is equal in float32 need not be so in float64."""
    if np.ndim(value):
        raise TypeError(f"{name} must be a number, got an array of shape {np.shape(value)}.")
    number = value if isinstance(value, numbers.Number) else ops.convert_to_numpy(value)[()]
    if isinstance(value, bool) or not isinstance(number, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    return number


def _show(value, digits=""):
    """Without a format for `digits`, as many as tell a number from every other one."""
    form = "," if isinstance(value, numbers.Integral) else digits
    return f"{value:{form}}" if form else str(value).removesuffix(".0")
