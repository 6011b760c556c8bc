"""Names of students that look alike, or that a second file of one student would have."""

import collections
import re
import unicodedata
from collections.abc import Iterable

__all__ = ["alike", "is_visible"]

_FILLERS = "\u115f\u1160"  # letters that are drawn as nothing; others decompose into these
_LIKE_LATIN = str.maketrans(
    "авекмнорстухіјѕһԁԛԝӏαβεζηικνορτυχγ", "abekmhopctyxijshdqwlabezhikvoptuxy"
)
_AGAIN = re.compile(r"([\s_.-]*\(\d+\)|[\s_.-]+(late|copy|final|new|again|resubmi[^\W_]*|v\d+))+$")
_NUMBER = re.compile(r"[\s_.-]+\d{1,2}$")


def alike(students: Iterable[str]) -> list[list[str]]:
    """Groups of names, in order, that may be one student's.

    They differ in accents, in what cannot be seen, in Cyrillic or Greek letters that look like
    Latin ones, or in what is added to a second file: ``(1)``, ``_late``, and a number where the
    name without it is there too.
    """
    groups = collections.defaultdict(list)
    for student in sorted(set(students)):
        groups[_AGAIN.sub("", _looks(student))].append(student)
    for key in list(groups):
        without = _NUMBER.sub("", key)
        if without != key and without in groups:
            groups[without] += groups.pop(key)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def is_visible(name: str) -> bool:
    """Whether there is a letter or a digit in it that can be seen."""
    return any(unicodedata.category(char)[0] in "LN" for char in _looks(name))


def _looks(name):
    """What the name looks like, in small Latin letters where there are such."""
    for _ in range(2):  # small letters of some compatible ones decompose again
        name = unicodedata.normalize("NFKD", name).casefold()
    shown = (c for c in name if unicodedata.category(c)[0] not in "MC" and c not in _FILLERS)
    return "".join(shown).translate(_LIKE_LATIN)
