"""For instructors: exercises, their release, their marks. No notebook imports anything from here.

`coursekit` does not import this package, and no solution stands in it: those are in instructor/,
which is not released.
"""

from pathlib import Path

__all__ = ["ROOT"]

ROOT = Path(__file__).resolve().parents[1]  # the checkout
