"""A network that reads digits, and what is measured through its eyes. Lectures 11 and 12."""

import functools

import keras
import numpy as np
from numpy.typing import ArrayLike

from coursekit import _validate
from coursekit.datasets._files import load_arrays

__all__ = ["digit_classifier", "digit_coverage", "digit_features"]


def digit_classifier() -> keras.Model:
    """A small convolutional network that reads digits, already trained. Lectures 11, 12 and 14.

    Its weights ship with the course (``benchmarks/train_digit_classifier.py`` made them); it reads
    99.4 % of the test images right. What `Inception` is to photographs, this is to digits.

    Returns a Keras model, not trainable, from images (n, 28, 28, 1) in [0, 1] to [features,
    logits], of shape (n, 64) and (n, 10). Raises a `DataFileError` where the file of weights is
    missing or is not the published one.
    """
    network = _digit_network()
    # npz files keep the order in which arrays were written.
    network.set_weights(list(load_arrays("digit_classifier.npz").values()))
    network.trainable = False
    return network


def digit_features(x: ArrayLike) -> np.ndarray:
    """What the course's digit classifier sees in each image: its 64 features (n, 64). Lecture 11.

    x holds images of 28 by 28 pixels: (n, 784), (n, 28, 28) or (n, 28, 28, 1). Raises a ValueError
    for another shape, or values outside [0, 1], otherwise as `digit_classifier`.
    """
    return _read_digits(x)[0]


def digit_coverage(x: ArrayLike) -> np.ndarray:
    """The share of each digit among images, as the digit classifier reads them. Lecture 11.

    MNIST itself has 9 to 11 % of each; a digit that a generator has forgotten has 0. Arguments and
    errors as `digit_features`; returns (10,), which sum to 1.
    """
    logits = _read_digits(x)[1]
    return np.bincount(logits.argmax(axis=1), minlength=10) / len(logits)


# One that no caller can alter.
_own_classifier = functools.cache(digit_classifier)


def _read_digits(x):
    x = _validate.images("x", x, unit_range=True)
    if x.shape[1:] != (28, 28):
        raise ValueError(f"x must hold gray images of 28 by 28 pixels, got shape {x.shape}.")
    return _own_classifier().predict(x[..., np.newaxis], batch_size=1000, verbose=0)


def _digit_network():
    layers = keras.layers
    x = keras.Input((28, 28, 1))
    h = layers.Conv2D(16, 3, activation="relu", name="convolution_1")(x)
    h = layers.Conv2D(32, 3, activation="relu", name="convolution_2")(h)
    h = layers.MaxPooling2D()(h)
    h = layers.Conv2D(48, 3, activation="relu", name="convolution_3")(h)
    h = layers.MaxPooling2D()(h)
    features = layers.Dense(64, "relu", name="features")(layers.Flatten()(h))
    return keras.Model(x, [features, layers.Dense(10, name="logits")(features)])
