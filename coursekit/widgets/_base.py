"""What the course's widgets share on the Python side."""

from pathlib import Path

import anywidget

_HERE = Path(__file__).parent


def read_sources(*names):
    """The named files beside this one, joined: anywidget loads one module and one style sheet."""
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


class Explorer(anywidget.AnyWidget):
    """A widget of the course: its state is in traits, its pictures are drawn by its `.js`."""

    _css = read_sources("course.css")

    #: Whether a move needs an answer from Python; such a widget cannot live on a static page.
    needs_kernel = False

    def __repr__(self):
        # The text that a saved notebook shows where no kernel runs.
        return f"{type(self).__name__}: run this cell to move it."
