"""Submissions that try to earn points unfairly, to stop the grading or to reach outside.

Each is a function of a blank `Sheet`. It writes the attack into it, or returns what to put into
the inbox: the bytes of a notebook, or a dict from paths to contents. Its decorator says what must
come of it. What attacks find they print, and "REACHED" where they got through.
"""

from tests.grader.hostile import (  # noqa: F401 - each registers its attacks
    archives,
    cells,
    files,
    forgeries,
    memory,
    network,
    objects,
    output,
    patches,
    pictures,
    processes,
    reading,
    times,
    writing,
)
from tests.grader.hostile._kinds import KINDS

__all__ = ["KINDS"]
