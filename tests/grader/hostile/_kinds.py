"""Where every attack is registered, and what its decorator says."""

from collections.abc import Callable

from tools.submissions import Attack

KINDS = {}


def kind(**sets: str) -> Callable:
    """Register an attack, with the exercises that are right, worth nothing, stopped or spared."""

    def register(write):
        assert write.__name__ not in KINDS, write.__name__
        KINDS[write.__name__] = Attack(write, sets)
        return write

    return register
