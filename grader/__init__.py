"""For instructors: exercises, their release, their marks. No notebook imports anything from here.

`coursekit` itself does not import this package, and no solution stands in it: those are in
instructor/, which is not released.
"""

from grader.exercises import Exercise, Wrong, clothes

__all__ = ["Exercise", "Wrong", "clothes"]
