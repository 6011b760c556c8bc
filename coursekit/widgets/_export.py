"""A widget as one self-contained web page."""

import base64
import html
import json
import re
from pathlib import Path

import anywidget

from coursekit.widgets._base import CourseWidget, read_sources

_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{css}
</style>
<body class="ck-page">
<h1>{title}</h1>
<div id="widget"></div>
<script type="module">
{esm}
{page}
showOnPage(document.querySelector("#widget"), {state});
</script>
</body>
</html>
"""


def export_html(widget, path, *, title=None, overwrite=False):
    """Write `widget`, as it stands, to one HTML file that moves without a kernel or a network.

    `title` is by default the widget's kind. Returns the path written. Raises `TypeError` for
    anything but a widget of this package, `ValueError` for a widget that asks the kernel for its
    images, and `FileExistsError` where `path` exists and `overwrite` is false.
    """
    if not isinstance(widget, CourseWidget):
        raise TypeError(f"widget must be one of coursekit.widgets, got {type(widget).__name__}")
    if widget.needs_kernel:
        raise ValueError(
            f"this {type(widget).__name__} asks the kernel for its images, "
            "so it cannot move on a static page"
        )
    path = Path(path)
    if title is None:
        title = re.sub("(?<!^)(?=[A-Z])", " ", type(widget).__name__).capitalize()
    shared = {*anywidget.AnyWidget.class_traits(sync=True), "_esm", "_css", "_anywidget_id"}
    state = widget.get_state([key for key in widget.keys if key not in shared])
    page = _PAGE.format(
        title=html.escape(title),
        css=widget._css,
        esm=_inside_script(str(widget._esm)),
        page=_inside_script(read_sources("page.js")),
        state=_inside_script(json.dumps(state, default=_base64)),
    )
    with path.open("w" if overwrite else "x", encoding="utf-8") as file:
        file.write(page)
    return path


def _base64(value):
    if not isinstance(value, bytes):
        raise TypeError(f"a trait of type {type(value).__name__} cannot be written to a page")
    return {"base64": base64.b64encode(value).decode("ascii")}


def _inside_script(text):
    return text.replace("</", "<\\/")  # "</script>" in a label must not end the script
