"""expect(): a lecture's claim about a number."""

import math
import numbers

import numpy as np

__all__ = ["ExpectationError", "expect"]


class ExpectationError(AssertionError):
    """A claim of a lecture that does not hold in this run."""


def expect(name, value, *, at_least=None, at_most=None, equal=None, within=None):
    """Print a measured value beside its bound, and raise where the bound does not hold.

    Args:
        name: what is measured, as a reader would say it.
        value: a number (a 0-d array or tensor will do).
        at_least, at_most: inclusive bounds; both may be given.
        equal: the exact value, for counts and shapes (then `value` may be a tuple too).
        within: a pair ``(low, high)``, short for ``at_least=low, at_most=high``.

    Returns:
        None: the printed line is the result.

    Raises:
        ExpectationError: the claim does not hold; a NaN never satisfies a bound.
        ValueError: no bound, bounds that contradict each other or are not finite, or bounds mixed
            with `equal`.
        TypeError: `value` or a bound is not a number.
    """
    if within is not None:
        if at_least is not None or at_most is not None:
            raise ValueError("give within=(low, high), or at_least and at_most, not both.")
        at_least, at_most = within
    bounded = at_least is not None or at_most is not None
    if bounded == (equal is not None):
        raise ValueError("give either a bound (at_least, at_most, within) or equal.")

    if equal is not None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError("value must be a number or a tuple, got an array: name its entries.")
        holds, claim, shown = bool(value == equal), f"= {_show(equal)}", _show(value)
    else:
        value = _number("value", value)
        low = -math.inf if at_least is None else _bound("at_least", at_least)
        high = math.inf if at_most is None else _bound("at_most", at_most)
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
