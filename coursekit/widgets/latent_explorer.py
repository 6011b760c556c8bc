"""Slide a latent code and watch the decoded image follow the hand."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import traitlets as t
from numpy.typing import ArrayLike

from coursekit import _validate
from coursekit.plots import PALETTE
from coursekit.widgets._base import ModelWidget, by_kernel, numbered, read_sources

__all__ = ["LatentExplorer"]

MOST_POINTS = 5_000  # more are slow to send and cover each other
GRID_BYTES = 1_500_000
GRID_SIDES = (9, 41)  # coarser is wrong to the eye, finer makes no difference to it


class Code(t.TraitType):
    """A code: finite numbers of shape (m,); read-only, so that every change is an assignment."""

    metadata: ClassVar = {
        "sync": True,
        "to_json": lambda code, _: None if code is None else code.tolist(),
        "from_json": lambda numbers, _: numbers,
    }

    def validate(self, explorer, value):
        return explorer._checked_input(value, self.name)


class LatentExplorer(ModelWidget):
    """The image decoded from a code that is dragged on a plane, or slid unit by unit.

    `model` is a model of the course, or anything else with an `image_decoder`, or a built Keras
    model from codes (n, m) to images. `codes` (k, m) are the encoded examples to draw, `labels`
    (k,) their classes, at most ten. Pixels in [0, 1] are drawn from black to white; what lies
    outside is drawn as black or white and is left as it is in `image`. `image_shape`, (h, w) or
    (h, w, 3), is needed where the images do not tell it. `limits` (low, high) are those of every
    unit; by default those of the codes, or (-3, 3). `example` is the row of `codes` to begin with.

    `evaluate` says who decodes: "browser" (dense layers only; raises for any other, by name),
    "grid" (2-D codes: images computed once, the browser interpolates), "kernel" (Python, for
    every move), or "auto": the first of these that can; `notice` and the widget then say so.
    The browser's decoder and the grid are copies: make a new explorer after more training.

    `z`, and the pinned ends `a` and `b` of an interpolation, can be read and set. `image` is
    what the model makes of `z`. A drag reaches Python once, at its end. Lectures 00 and 02.
    """

    _esm = read_sources("parts.js", "dense.js", "evaluate.js", "latent_explorer.js")

    z = Code()
    a, b, _home = (Code(None, allow_none=True) for _ in range(3))
    #: Row of `codes` that "Back to example" returns to; the student may choose another.
    example = t.Int(None, allow_none=True).tag(sync=True)
    #: The two units, counted from 0, that span the plane.
    units = t.List(t.Int()).tag(sync=True)

    _image_shape, _limits, _order, _center, _spread, _legend = (
        t.List().tag(sync=True) for _ in range(6)
    )
    _codes, _rows, _classes, _grid = (t.Bytes().tag(sync=True) for _ in range(4))

    def __init__(
        self, model: Any, codes: ArrayLike | None = None, labels: ArrayLike | None = None, *,
        image_shape: Sequence[int] | None = None, limits: tuple[float, float] | None = None,
        example: int = 0, evaluate: str = "auto",
    ):  # fmt: skip
        takes = self._take(getattr(model, "image_decoder", model))
        if len(takes) != 2 or takes[1] is None:
            raise ValueError(f"model must take codes of shape (n, m), got {takes}.")
        self._size = takes[1]
        if codes is not None:
            codes = _validate.codes("codes", codes, self._size).astype("<f4")
        self.codes = codes
        classes, legend = _checked_labels(labels, codes)
        low, high = _checked_limits(limits, codes, self._size)
        limits = np.stack([low, high], axis=1).tolist()
        if codes is None:
            start = center = (low + high) / 2
            spread, home, example = (high - low) / 6, None, None
        else:
            center, spread = codes.mean(axis=0), codes.std(axis=0)
            start = home = codes[numbered("example", example, "row of codes", len(codes))]
        self._shape = _image_shape(self._evaluate(start[None]), image_shape)
        order = np.argsort(-spread, kind="stable").tolist()
        how = self._choose(evaluate, limits)
        rows, thinned = _thinned(codes, example)
        super().__init__(
            z=start,
            example=example,
            units=sorted(order[:2]),
            notice=" ".join(filter(None, [how.pop("notice", ""), thinned])),
            _home=home,
            _image_shape=[*self._shape[:2], *(self._shape[2:] or (1,))],
            _limits=limits,
            _order=order,
            _center=center.tolist(),
            _spread=spread.tolist(),
            _codes=b"" if codes is None else codes[rows].tobytes(),
            _rows=rows.astype("<i4").tobytes(),
            _classes=b"" if classes is None else classes[rows].tobytes(),
            _legend=legend,
            **how,
        )

    @property
    def image(self) -> np.ndarray:
        """The model's image of `z`: (h, w) or (h, w, 3), float32, nothing clipped."""
        return self._evaluate(self.z[None])[0].reshape(self._shape)

    def _choose(self, evaluate, limits):
        """The traits by which the model is evaluated, and what to say about it."""
        how, because = self._in_browser(evaluate, ("auto", "browser", "grid", "kernel"))
        if how:
            return how
        side = min(GRID_SIDES[1], math.isqrt(GRID_BYTES // math.prod(self._shape)))
        possible = self._size == 2 and side >= GRID_SIDES[0]
        if evaluate == "grid" and not possible:
            raise ValueError(
                f'evaluate="grid" needs 2-D codes and small images, '
                f"got {self._size}-D codes and images of shape {self._shape}."
            )
        if evaluate == "kernel" or not possible:
            return by_kernel("Decoded", because)
        codes = np.stack(np.meshgrid(*(np.linspace(*pair, side) for pair in limits)), axis=-1)
        grid = np.rint(255 * np.clip([self._evaluate(row) for row in codes], 0, 1))
        said = f"Interpolated from a grid of {side} × {side} decoded images{because}."
        return {"evaluation": "grid", "_grid": grid.astype("uint8").tobytes(), "notice": said}

    def _checked_input(self, z, name="z"):
        code = _validate.finite_array(name, z).astype("float64")
        if code.shape != (self._size,):
            raise ValueError(f"{name} must have shape ({self._size},), got {code.shape}.")
        code.flags.writeable = False
        return code

    @t.validate("z", "a", "b")
    def _reach(self, proposal):
        """Widen the limits to a code set from Python; a grid cannot be widened."""
        code = proposal["value"]
        if code is not None and self._limits:
            low, high = np.array(self._limits).T
            if self.evaluation == "grid" and ((code < low) | (code > high)).any():
                raise ValueError(
                    f"{proposal['trait'].name} must lie within the grid's limits "
                    f"{self._limits}, got {code.tolist()}."
                )
            self._limits = np.stack([np.minimum(low, code), np.maximum(high, code)], 1).tolist()
        return code

    @t.validate("units")
    def _check_units(self, proposal):
        units = proposal["value"]
        wanted = min(2, self._size)
        if len(set(units)) != wanted or not all(0 <= unit < self._size for unit in units):
            raise ValueError(
                f"units must be {wanted} different units of 0 to {self._size - 1}, got {units}."
            )
        return units

    @t.validate("example")
    def _check_example(self, proposal):
        if self.codes is not None:
            return numbered("example", proposal["value"], "row of codes", len(self.codes))
        if proposal["value"] is not None:
            raise ValueError("example must be None for an explorer without codes.")

    @t.observe("example")
    def _move_home(self, change):
        if self.codes is not None:
            self._home = self.codes[change["new"]]


def _checked_labels(labels, codes):
    """The class of each code as uint8, and for each class its name and color."""
    if labels is None:
        return None, []
    labels = np.asarray(labels)
    if codes is None or labels.shape != (len(codes),):
        wanted = "needs codes" if codes is None else f"must have shape ({len(codes)},)"
        raise ValueError(f"labels {wanted}, got shape {labels.shape}.")
    names, classes = np.unique(labels, return_inverse=True)
    if len(names) > len(PALETTE):
        raise ValueError(f"labels may name at most {len(PALETTE)} classes, got {len(names)}.")
    # A digit keeps its color in every figure of the course.
    digits = names.dtype.kind in "iu" and names.min() >= 0 and names.max() < len(PALETTE)
    colors = [PALETTE[name] for name in names] if digits else PALETTE
    legend = [[str(name), color] for name, color in zip(names, colors, strict=False)]
    return classes.astype("uint8"), legend


def _checked_limits(limits, codes, size):
    """Lowest and highest value of each unit, shape (m,) each."""
    if limits is None and codes is not None:
        low, high = codes.min(axis=0).astype("float64"), codes.max(axis=0).astype("float64")
        margin = np.where(high > low, 0.05 * (high - low), 0.5)  # a dead unit still gets a slider
        return low - margin, high + margin
    limits = np.asarray((-3, 3) if limits is None else limits, dtype="float64")
    if limits.shape != (2,) or not np.isfinite(limits).all() or limits[0] >= limits[1]:
        raise ValueError(f"limits must be finite numbers (low, high), got {limits.tolist()}.")
    low, high = limits.astype("float32")  # as which the codes are compared
    if codes is not None and ((codes < low) | (codes > high)).any():
        raise ValueError(
            f"limits must hold all codes, got {limits.tolist()} "
            f"for codes from {codes.min():.3g} to {codes.max():.3g}."
        )
    return np.full(size, limits[0]), np.full(size, limits[1])


def _image_shape(image, given):
    """(h, w) or (h, w, 3), as given or as a batch of one image tells."""
    shape = image.shape[1:] if given is None else tuple(given)
    try:
        return _validate.images("image_shape", image.reshape(1, *shape)).shape[1:]
    except ValueError:
        raise ValueError(
            "image_shape must be (h, w) or (h, w, 3) and fit the model's output "
            f"{image.shape[1:]}, got {shape}."
        ) from None


def _thinned(codes, example):
    """The rows to draw, at most `MOST_POINTS`, and what to say where these are not all."""
    count = 0 if codes is None else len(codes)
    if count <= MOST_POINTS:
        return np.arange(count), ""
    rows = np.random.default_rng(0).choice(count, MOST_POINTS, replace=False)
    rows = np.union1d(rows[: MOST_POINTS - 1], [example])
    return rows, f"{len(rows):,} of the {count:,} codes are drawn, chosen at random."
