"""MNIST and a subset of Fashion-MNIST, split the same way in every lecture."""

import dataclasses
import numbers
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from coursekit.datasets._files import load_arrays

FASHION_NAMES = (
    "T-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


class Split(NamedTuple):
    """Samples `x` with labels `y`; unpacks as ``x, y = split``."""

    x: np.ndarray
    y: np.ndarray


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One data set in three parts, `train`, `validation` and `test`, each a `Split`."""

    name: str
    train: Split
    validation: Split
    test: Split

    def __repr__(self) -> str:
        sizes = f"{len(self.train.x):,} / {len(self.validation.x):,} / {len(self.test.x):,}"
        return f"<{self.name}: {sizes} samples of shape {self.train.x.shape[1:]}>"


def mnist(digits: Iterable[int] = range(10), *, shape: str = "flat") -> Dataset:
    """MNIST: 55,000 training, 5,000 validation and 10,000 test images of 28 by 28 pixels.

    The validation images are the first 5,000 of the original training set (LeCun et al. 1998).
    Images are float32 in [0, 1], of the `shape` "flat" (n, 784) or "image" (n, 28, 28, 1), labels
    uint8. `digits` are those to keep, e.g. ``(1, 5, 6)``, in their original order. Raises a
    ValueError for others, a `DataFileError` where the file is missing or not the published one.
    """
    return _load("MNIST", "mnist.npz", "digits", digits, shape, 5_000)


def fashion_mnist(classes: Iterable[int] = range(10), *, shape: str = "flat") -> Dataset:
    """A subset of Fashion-MNIST: 9,000 training, 1,000 validation and 2,000 test images.

    The first 10,000 training images (of which the first 1,000 validate) and the first 2,000 test
    images of Xiao, Rasul and Vollgraf 2017. `FASHION_NAMES` names the ten classes.

    All else as for `mnist`, with classes in place of digits.
    """
    return _load("Fashion-MNIST", "fashion_mnist_12k.npz", "classes", classes, shape, 1_000)


def in_shape(x, shape):
    """Images of 28 by 28 pixels as (n, 784) for "flat" or (n, 28, 28, 1) for "image"."""
    if shape not in ("flat", "image"):
        raise ValueError(f'shape must be "flat" or "image", got {shape!r}.')
    return x.reshape(-1, 784) if shape == "flat" else x.reshape(-1, 28, 28, 1)


def _load(name, file, argument, classes, shape, validation):
    allowed = "whole numbers from 0 to 9, such as (1, 5, 6)"
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise ValueError(f"{argument} must be a sequence of {allowed}, got {classes!r}.")
    classes = list(classes)
    if not classes:
        raise ValueError(f"{argument} leaves no image: give {allowed}.")
    for value in classes:
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not whole or not 0 <= value <= 9:
            raise ValueError(f"{argument} must hold {allowed}, got {value!r} among them.")
    arrays = load_arrays(file)

    def part(which, start=0, stop=None):
        x, y = (arrays[f"{letter}_{which}"][start:stop] for letter in "xy")
        keep = np.isin(y, classes)
        return Split(in_shape(x[keep].astype("float32") / 255, shape), y[keep])

    return Dataset(name, part("train", validation), part("train", 0, validation), part("test"))
