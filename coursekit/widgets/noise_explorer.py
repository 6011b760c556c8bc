"""Corrupt an image by hand and watch a denoiser repair it."""

from collections.abc import Iterable

import keras
import numpy as np
import traitlets as t
from numpy.typing import ArrayLike

from coursekit import _validate, layers
from coursekit.widgets._base import ModelWidget, by_kernel, numbered, read_sources

__all__ = ["NoiseExplorer"]

MOST_IMAGES = 200  # sent to the browser as they are; nobody looks at more
KINDS = {
    layers.GaussianCorruption: "gaussian",
    layers.MaskingCorruption: "masking",
    layers.SaltAndPepperCorruption: "salt and pepper",
}
STRONGEST_GAUSSIAN = 0.25  # where no other kind sets a limit; sigma is 0.5 there


class NoiseExplorer(ModelWidget):
    """An image x, corrupted to x_tilde, and what a denoiser makes of it, x_hat, side by side.

    `denoiser` is a built Keras model, such as a model of the course, from images to images of one
    shape. `images` are at most 200 of that shape, with pixels in [0, 1]. `corruptions` are
    adapted corruption layers of `ck.layers`, one per kind of noise to choose from. The first one's
    strength is the one to begin with; it is in the layers' unit, the expected squared change of a
    pixel, and stays when the kind is changed, so all kinds must reach it. `example` is the row of
    `images` to begin with.

    `evaluate` says who evaluates the denoiser: "browser" (dense layers only; raises for any other,
    by name), "kernel" (Python, for every move), or "auto": the first of these that can; `notice`
    and the widget then say so. The browser's denoiser is a copy: make a new explorer after more
    training. The noise is the browser's in either case: the same for every pixel while the strength
    moves, and drawn afresh where `draw`, its seed, changes.

    `kind`, `strength`, `example` and `draw` can be read and set. Lecture 07.
    """

    _esm = read_sources("parts.js", "dense.js", "evaluate.js", "noise.js", "noise_explorer.js")
    _role = "denoiser"

    #: "gaussian", "masking" or "salt and pepper", of those given.
    kind = t.Unicode().tag(sync=True)
    #: Expected squared change of a pixel.
    strength = t.Float().tag(sync=True)
    #: Row of `images` that is shown.
    example = t.Int().tag(sync=True)
    #: Seed of the noise: another number is a fresh draw.
    draw = t.Int(0).tag(sync=True)

    _corruptions = t.Dict().tag(sync=True)
    _strongest = t.Float().tag(sync=True)
    _images = t.Bytes().tag(sync=True)
    _image_shape = t.List().tag(sync=True)

    def __init__(
        self, denoiser: keras.Model, images: ArrayLike, corruptions: Iterable[keras.layers.Layer],
        *, example: int = 0, evaluate: str = "auto",
    ):  # fmt: skip
        takes = self._take(denoiser)[1:]
        shown = _validate.images("images", images, unit_range=True).astype("<f4")
        if len(shown) > MOST_IMAGES:
            raise ValueError(
                f"images must be at most {MOST_IMAGES}, got {len(shown):,}: give a slice of them."
            )
        self.images = shown.reshape(np.shape(images))
        shape = self.images.shape[1:]
        if takes not in ((), shape):
            raise ValueError(f"denoiser takes images of shape {takes}, but images are {shape}.")
        gives = self._evaluate(self.images[:1]).shape[1:]
        if gives != shape:
            raise ValueError(f"denoiser must give images of shape {shape}, got {gives}.")
        how, because = self._in_browser(evaluate)
        corruptions = list(corruptions)
        self._noise = _noise(corruptions)
        hits = [noise["change_per_hit"] for noise in self._noise.values() if "clip" not in noise]
        super().__init__(
            kind=next(iter(self._noise)),
            strength=corruptions[0].strength,
            example=example,
            _corruptions=self._noise,
            _strongest=min(hits, default=max(STRONGEST_GAUSSIAN, corruptions[0].strength)),
            _images=self.images.tobytes(),
            _image_shape=[*shown.shape[1:3], *(shown.shape[3:] or (1,))],
            **(how or by_kernel("Denoised", because)),
        )

    def _checked_input(self, x_tilde):
        return _validate.finite_array("x_tilde", x_tilde).reshape(self.images.shape[1:])

    @t.validate("kind")
    def _check_kind(self, proposal):
        return _validate.one_of("kind", proposal["value"], self._noise)

    @t.validate("strength")
    def _check_strength(self, proposal):
        strength = proposal["value"]
        if not 0 <= strength <= self._strongest:
            raise ValueError(
                f"strength must be from 0 to {self._strongest:.4g}, which every kind given can "
                f"reach, got {strength:.4g}."
            )
        return strength

    @t.validate("example")
    def _check_example(self, proposal):
        return numbered("example", proposal["value"], "row of images", len(self.images))


def _noise(corruptions):
    """What `noise.js` must know of each kind, by its name."""
    noise = {}
    for layer in corruptions:
        kind = KINDS.get(type(layer))
        if kind is None:
            raise TypeError(
                "corruptions must be corruption layers of coursekit.layers, "
                f"got {type(layer).__name__}."
            )
        if kind in noise:
            raise ValueError(f"corruptions must hold each kind once, got two of {kind}.")
        told = "clip" if kind == "gaussian" else "change_per_hit"
        noise[kind] = {told: getattr(layer, told)}
        if noise[kind][told] is None:
            raise ValueError(
                f"corruptions must be adapted: call {layer.name}.adapt(training_images) first."
            )
    if not noise:
        raise ValueError("corruptions is empty: give at least one corruption layer.")
    return noise
