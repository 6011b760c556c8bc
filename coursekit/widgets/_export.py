"""A widget as one self-contained web page."""

import base64
import html
import json
import os
import re
from pathlib import Path

import anywidget

from coursekit.widgets._base import CourseWidget, read_sources


def export_html(
    widget: CourseWidget,
    path: str | os.PathLike,
    *,
    title: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write `widget`, as it stands, to one HTML file that moves without a kernel or a network.

    `title` is by default the widget's kind. Returns the path written. Raises `TypeError` for
    anything but a widget of this package, `ValueError` for a widget that asks the kernel for its
    images, and `FileExistsError` where `path` exists and `overwrite` is false.
    """
    kind, path = type(widget).__name__, Path(path)
    if not isinstance(widget, CourseWidget):
        raise TypeError(f"widget must be one of coursekit.widgets, got {kind}.")
    if widget.needs_kernel:
        raise ValueError(
            f"this {kind} asks the kernel for its images, so it cannot move on a static page."
        )
    if title is None:
        title = re.sub("(?<!^)(?=[A-Z])", " ", kind).capitalize()
    shared = {*anywidget.AnyWidget.class_traits(sync=True), "_esm", "_css", "_anywidget_id"}
    state = widget.get_state([key for key in widget.keys if key not in shared])
    page = read_sources("page.html").format(
        title=html.escape(title),
        css=widget._css,
        esm=_inside_script(str(widget._esm)),
        page=_inside_script(read_sources("page.js")),
        state=_inside_script(json.dumps(state, default=_bytes_as_text)),
    )
    with path.open("w" if overwrite else "x", encoding="utf-8") as file:
        file.write(page)
    return path


def _bytes_as_text(value):
    return {"base64": base64.b64encode(value).decode("ascii")}


def _inside_script(text):
    return text.replace("</", "<\\/")  # "</script>" in a label must not end the script
