"""Slide through pictures that were computed beforehand."""

import base64
import io
import numbers
import re
from collections.abc import Iterable

import matplotlib.pyplot as plt
import numpy as np
import traitlets as t
from matplotlib.figure import Figure
from PIL import Image

from coursekit import _validate
from coursekit.widgets._base import CourseWidget, numbered, read_sources

__all__ = ["PictureSlider"]

FIGURE_DPI = 100  # about one pixel per CSS pixel: 24 digits take 10 kB, curves 30 to 50 kB
DRAWING = 20_000  # a figure of fewer colors is a drawing, for which a palette of 256 is enough
IMAGE_WIDTH = 340  # CSS pixels, at most; small images are enlarged by a whole number


class PictureSlider(CourseWidget):
    """A slider over precomputed pictures: no kernel is needed while it moves.

    `pictures` are matplotlib Figures (which it closes, so that the notebook does not show them once
    more) or image arrays (h, w) or (h, w, 3) in [0, 1] (enlarged without blur), all of one size.
    `label` names the quantity that slides, `values` are what the slider shows at each stop,
    numbers or strings; by default the stops' numbers from 0. `start` is the stop to begin with,
    `captions` holds a sentence per stop to stand below the picture, `alt` says in words what the
    pictures show, for those who cannot see them.

    `index`, the stop, can be read and set. Raises `TypeError` or `ValueError` where there is no
    picture, or the pictures differ in size or kind, or the lists in length. Lectures 03 to 06.
    """

    _esm = read_sources("parts.js", "picture_slider.js")

    #: The stop, counted from 0.
    index = t.Int(0).tag(sync=True)

    _pictures, _values, _captions = (t.List(t.Unicode()).tag(sync=True) for _ in range(3))
    _label, _alt = (t.Unicode().tag(sync=True) for _ in range(2))
    _width = t.Int().tag(sync=True)

    def __init__(
        self, pictures: Iterable, *, label: str, values: Iterable | None = None, start: int = 0,
        captions: Iterable[str] | None = None, alt: str = "",
    ):  # fmt: skip
        for name, text in (("label", label), ("alt", alt)):
            if not isinstance(text, str):
                raise TypeError(f"{name} must be a string, got {text!r}.")
        pictures = list(pictures)
        if not pictures:
            raise ValueError("pictures is empty: give at least one.")
        values = range(len(pictures)) if values is None else values
        values = [_text(value) for value in _one_each("values", values, pictures)]
        captions = [] if captions is None else _one_each("captions", captions, pictures)
        if not all(isinstance(caption, str) for caption in captions):
            raise TypeError(f"captions must be strings, got {captions}.")
        self._count = len(pictures)
        start = numbered("start", start, "stop", self._count)
        drawn = _drawn(pictures)
        super().__init__(
            index=start, _values=values, _captions=captions, _label=label, _alt=alt, **drawn
        )

    @t.validate("index")
    def _check_index(self, proposal):
        return numbered("index", proposal["value"], "stop", self._count)


def _one_each(name, given, pictures):
    given = list(given)
    if len(given) != len(pictures):
        raise ValueError(f"{name} must be {len(pictures)}, one per picture, got {len(given)}.")
    return given


def _text(value):
    """What a reader sees of a value: 1e-05 as 1e-5, and a minus sign."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"values must be numbers or strings, got {value!r}.")
    return re.sub(r"e\+?(-?)0*", r"e\1", f"{value:g}").replace("-", "−")


def _drawn(pictures):
    """The traits of the pictures: URLs of PNG data, and the width to show them at in CSS pixels."""
    figures = all(isinstance(picture, Figure) for picture in pictures)
    if not figures and any(isinstance(picture, Figure) for picture in pictures):
        raise TypeError("pictures must be all Figures or all image arrays, got both.")
    sizes = {tuple(p.get_size_inches().tolist()) if figures else np.shape(p) for p in pictures}
    if len(sizes) > 1:
        raise ValueError(f"pictures must be of one size, got {', '.join(map(str, sorted(sizes)))}.")
    if figures:
        width = round(96 * pictures[0].get_figwidth())
        return {"_pictures": [_rendered(figure) for figure in pictures], "_width": width}
    images = _validate.images("pictures", np.stack(pictures), unit_range=True)
    width = images.shape[2]
    files = [_encoded(Image.fromarray(image)) for image in np.rint(255 * images).astype("uint8")]
    return {"_pictures": files, "_width": width * max(1, IMAGE_WIDTH // width)}


def _rendered(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=FIGURE_DPI, bbox_inches=None)
    plt.close(figure)
    image = Image.open(file).convert("RGB")
    if image.getcolors(DRAWING):
        image = image.quantize(256, dither=Image.Dither.NONE)
    return _encoded(image)


def _encoded(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
