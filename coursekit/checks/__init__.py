"""check(): an assignment's answer, and which mistake it looks like."""

from collections.abc import Callable
from pathlib import Path

from coursekit.checks.calls import collect
from coursekit.checks.diagnosis import judge
from coursekit.checks.keys import load_key

__all__ = ["CheckFailed", "check"]


class CheckFailed(AssertionError):
    """An answer that is not right; a notebook shows its sentence alone, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def check(name: str, function: Callable) -> None:
    """Say whether a function of an assignment is right, and if not, which mistake it looks like.

    Calls `function` on the inputs of the exercise `name` in the assignment's checks.npz, for at
    most ten seconds in all, and compares what it returns with what is stored there. Nothing the
    function does, raise, loop or print without end, goes further than this call.

    Raises a `CheckFailed` that says why the answer is not right, and a FileNotFoundError or
    ValueError where checks.npz is missing or damaged, or has no such exercise.
    """
    key = load_key(_checks_file(), name)
    found, printed = collect(function, key.arguments, key.cases, key.differentiable)
    if printed:
        print(printed)
    if sentence := judge(found, key):
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
