"""Samplers of codes for `models.AdversarialAutoencoder`; saved and loaded with it. Lecture 12.

``prior(n, seed)`` gives n codes as a float32 tensor (n, m); in ``prior(n, seed, y)`` the rows of y
say what to draw. Any such function, written with `keras.random` to be compiled, is a prior too.
"""

import math
from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from coursekit import _validate

__all__ = ["Gaussian", "Petals", "Ring"]
Seed = int | keras.random.SeedGenerator | None


class _Prior:
    """Called as ``prior(n, seed, y)``; its attributes are its arguments, and so its config."""

    def get_config(self) -> dict:
        return dict(vars(self))

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="coursekit")
class Gaussian(_Prior):
    """N(0, I) in `units` dimensions, the prior of the VAE; a y changes nothing."""

    def __init__(self, units: int = 2):
        self.units = _validate.whole("units", units)

    def __call__(self, n: int, seed: Seed = None, y: ArrayLike | None = None) -> Any:
        return keras.random.normal((n, self.units), seed=seed)


@keras.saving.register_keras_serializable(package="coursekit")
class Ring(_Prior):
    """A thick circle: distances from the origin are N(radius, width²); a y changes nothing."""

    def __init__(self, radius: float = 2.0, width: float = 0.2):
        self.radius = _validate.real("radius", radius, above=0)
        self.width = _validate.real("width", width, above=0)

    def __call__(self, n: int, seed: Seed = None, y: ArrayLike | None = None) -> Any:
        angle = keras.random.uniform((n,), 0, 2 * math.pi, seed=_next(seed, 0))
        r = self.radius + self.width * keras.random.normal((n,), seed=_next(seed, 1))
        return ops.stack([r * ops.cos(angle), r * ops.sin(angle)], axis=1)


@keras.saving.register_keras_serializable(package="coursekit")
class Petals(_Prior):
    """A mixture of Gaussians in the plane, arranged and shaped like petals.

    Part k of `parts` lies at the angle 2 pi k / parts (Makhzani et al. 2015): its mean at this
    `distance` from the origin, `length` and `breadth` its standard deviations along the radius and
    across it, all above 0. With y, a one-hot row per code, each code comes from the part that its
    row names; without, from all alike.
    """

    def __init__(
        self, parts: int = 10, distance: float = 2.0, length: float = 0.5, breadth: float = 0.15
    ):
        self.parts = _validate.whole("parts", parts)
        self.distance = _validate.real("distance", distance, above=0)
        self.length = _validate.real("length", length, above=0)
        self.breadth = _validate.real("breadth", breadth, above=0)

    def __call__(self, n: int, seed: Seed = None, y: ArrayLike | None = None) -> Any:
        if y is None:
            part = keras.random.randint((n,), 0, self.parts, seed=_next(seed, 0))
        else:
            y = ops.convert_to_tensor(y)
            if len(y.shape) != 2 or y.shape[1] != self.parts:
                wanted = f"(n, {self.parts}), one column per part"
                raise ValueError(f"y must have shape {wanted}, got {tuple(y.shape)}.")
            part = ops.argmax(y, axis=1)
        eps = keras.random.normal((n, 2), seed=_next(seed, 1))
        along, across = self.distance + self.length * eps[:, 0], self.breadth * eps[:, 1]
        angle = 2 * math.pi / self.parts * ops.cast(part, "float32")
        cos, sin = ops.cos(angle), ops.sin(angle)
        return ops.stack([along * cos - across * sin, along * sin + across * cos], axis=1)


def _next(seed, call):
    """A whole number would draw the same numbers in every call: another one for each."""
    return seed + call if isinstance(seed, int) else seed
