"""What code may lack where submissions run, and have where it was written."""

import locale
from subprocess import CalledProcessError

from coursekit.checks import calls

__all__ = ["is_outside"]

_ERRORS = (calls.Stopped, calls.TooMuch, MemoryError, OSError, EOFError, locale.Error)
_ERRORS += (CalledProcessError,)
_NAMES = ("ResourceExhaustedError", "NotFoundError", "PermissionDeniedError", "UnavailableError")
_NAMES += ("UsageError",)  # those were TensorFlow's; this is IPython's for a magic of Colab


def is_outside(error: BaseException | None) -> bool:
    """Whether code met a limit or a lack (of memory, files, network, input), not its own fault."""
    seen = []
    while error is not None and not any(error is one for one in seen):
        seen.append(error)
        error = error.__cause__ or error.__context__
    return any(map(_is_lack, seen))


def _is_lack(error):
    if isinstance(error, _ERRORS) or type(error).__name__ in _NAMES:
        return True
    if isinstance(error, ImportError):  # a module that is not here, or that needs a screen
        return "cannot import name" not in str(error)
    # Keras tells of a missing file by a ValueError.
    return isinstance(error, ValueError) and "file not found" in str(error).lower()
