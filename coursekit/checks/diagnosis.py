"""Compare answers with a key, and find the sentence to say."""

from collections.abc import Sequence

import numpy as np

from coursekit.checks.calls import Answer
from coursekit.checks.keys import Key

__all__ = ["agree", "judge"]


def judge(answers: Sequence[Answer], key: Key, *, tell: bool = True) -> str:
    """The sentence to say about the answers to a key's cases, or "" where all is right.

    With `tell=False` it gives away no expected number: for inputs that serve again.
    """
    right = [_matches(given, want, key) for given, want in zip(answers, key.expected, strict=True)]
    if all(right):
        if changed := next((answer.changed[0] for answer in answers if answer.changed), ""):
            return (
                f"computes the right values, but changes its input {changed} in place, which "
                "spoils it for whoever uses it next; work on a new array."
            )
        return _gradient(answers[0], key, tell)
    for sentence, outputs in key.wrong:
        if all(_matches(answer, want, key) for answer, want in zip(answers, outputs, strict=True)):
            return sentence
    first = right.index(False)
    sentence = _difference(answers[first], key, first, tell)
    sizes = [_batch(case) for case in key.cases]
    fits = {size for size, ok in zip(sizes, right, strict=True) if ok}
    fails = {size for size, ok in zip(sizes, right, strict=True) if not ok}
    if fits and not fits & fails and not answers[first].cut:
        return (
            f"is right for a batch of {min(fits)}, but not for one of {sizes[first]}; is a size "
            f"written into it as a number? For the batch of {sizes[first]} it {sentence}"
        )
    return sentence


def agree(values: Sequence[np.ndarray], wanted: Sequence[np.ndarray], key: Key) -> bool:
    """Whether outputs equal others within the tolerance; NaN equals NaN, inf equals inf."""
    return len(values) == len(wanted) and all(
        value.shape == want.shape
        and np.allclose(value.astype("float64"), want, rtol=key.rtol, atol=key.atol, equal_nan=True)
        for value, want in zip(values, wanted, strict=True)
    )


def _matches(answer, wanted, key):
    return not answer.problem and agree(answer.values, wanted, key)


def _batch(case):
    """The first axis of the first input that is an array."""
    return next((len(value) for value in case if isinstance(value, np.ndarray)), 0)


def _difference(answer, key, i, tell):
    """What is wrong with the answer to case i."""
    if answer.problem:
        return answer.problem
    wanted = key.expected[i]
    if len(answer.values) != len(wanted):
        be = "is" if len(wanted) == 1 else "are"
        return f"returned {len(answer.values)} values in a tuple, where {len(wanted)} {be} wanted."
    told = [
        f"{name} of shape {v.shape}" if isinstance(v, np.ndarray) else f"{name} = {v:g}"
        for name, v in zip(key.arguments, key.cases[i], strict=True)
    ]
    which = f"input {i + 1} ({', '.join(told)})"
    for j, (value, want) in enumerate(zip(answer.values, wanted, strict=True)):
        output = "" if len(wanted) == 1 else f"output {j + 1} "
        if value.shape != want.shape:
            said = f"returned {output}of shape {value.shape} instead of {want.shape} for {which}."
            if value.shape == want.shape[::-1]:
                return f"{said} It looks transposed."
            if value.size == want.size:
                return f"{said} The number of values is right, their arrangement is not."
            return said
        value = value.astype("float64")
        if (unusable := ~np.isfinite(value)).any():
            return (
                f"returned {int(unusable.sum()):,} values of {value.size:,} that are NaN or "
                f"infinite, the first at {_place(unusable)}, for {which}; look for a logarithm or "
                "a division that meets 0, or an exponential of a large number."
            )
        apart = np.abs(value - want)
        if (off := apart > key.atol + key.rtol * np.abs(want)).any():
            at = np.unravel_index(off.argmax(), off.shape)
            if not tell:
                return f"returned {output}other numbers than are wanted for {which}."
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


def _gradient(answer, key, tell):
    if not key.differentiable:
        return ""
    missing = (
        f"computes the right values, but no gradient with respect to {key.differentiable} comes "
        "through, so nothing could be trained with it; use `keras.ops` from the argument to the "
        "result, without NumPy, `float` or rounding on the way."
    )
    if answer.gradient_problem:
        return f"{missing} (When differentiated it {answer.gradient_problem})"
    gradient, want = answer.gradient, key.gradient
    if gradient is None or gradient.shape != want.shape or not gradient.any():
        return missing
    if (unusable := ~np.isfinite(gradient)).any():
        return (
            f"computes the right values, but its gradient with respect to {key.differentiable} is "
            f"NaN or infinite at {_place(unusable)}: the derivative of a value that is not used "
            "counts as well (0 times infinity), so keep the argument in its range before a "
            "logarithm, a division or a root, and not only the result with `where`."
        )
    off = np.abs(gradient - want) > 1e-2 * np.abs(want).max()
    if not off.any():
        return ""
    at = np.unravel_index(off.argmax(), off.shape)
    numbers = f": {gradient[at]:.4g} instead of {want[at]:.4g} at {_place(off)}" if tell else ""
    return (
        f"computes the right values, but its gradient with respect to {key.differentiable} is "
        f"wrong{numbers}; "
        "is a part of it cut off by `stop_gradient`, or taken from NumPy?"
    )
