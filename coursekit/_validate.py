"""The checks of arguments that several modules share; each names the argument at fault."""

import math
import numbers

import keras
import numpy as np
from keras import ops


def whole(name, value, *, at_least=1):
    """Return `value` as an int that is at least `at_least`, or raise."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}.")
    if value < at_least:
        raise ValueError(f"{name} must be at least {at_least}, got {value}.")
    return int(value)


def finite_array(name, value, *, ndim=None):
    """Return `value` as a NumPy array of finite real numbers with `ndim` axes, or raise."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}.")
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {array.shape}.")
    if array.size == 0:
        raise ValueError(f"{name} is empty: its shape is {array.shape}.")
    if not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise ValueError(f"{name} must be finite, but {bad:,} of {array.size:,} values are not.")
    return array


def real(name, value, *, at_least=-math.inf, at_most=math.inf, above=-math.inf, below=math.inf):
    """Return `value` as a finite float within the bounds, or raise."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    if not (math.isfinite(value) and at_least <= value <= at_most and above < value < below):
        bounds = {"from": at_least, "to": at_most, "above": above, "and below": below}
        allowed = "".join(f" {word} {end}" for word, end in bounds.items() if math.isfinite(end))
        raise ValueError(f"{name} must be a finite number{allowed}, got {value}.")
    return float(value)


def one_of(name, value, allowed):
    """Return `value` if it is among the `allowed` strings, or raise."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}.")
    return value


def some_of(name, value, allowed, *, at_least=0):
    """Return `value` as a list if it holds nothing but some of the `allowed` strings, or raise."""
    values = list(value) if np.iterable(value) and not isinstance(value, str) else [None]
    if len(values) < at_least or any(each not in allowed for each in values):
        raise ValueError(f"{name} must be a sequence of names out of {allowed}, got {value!r}.")
    return values


def in_unit_range(name, values, advice):
    """Whether all of a tensor lies in [0, 1], as a tensor; raises where it is known not to.

    Inside a compiled graph no value is known: use the answer to make the result NaN there.
    """
    inside = ops.all(ops.logical_and(values >= 0, values <= 1))
    try:
        known_outside = not bool(inside)
    except TypeError:  # TensorFlow's and JAX' answer inside a graph
        known_outside = False
    if known_outside:
        raise ValueError(
            f"{name} must lie in [0, 1], got {float(ops.min(values)):.4g} to "
            f"{float(ops.max(values)):.4g}: {advice}."
        )
    return inside


def images(name, value, *, unit_range=False):
    """Return a batch of images as (n, height, width) or (n, height, width, 3), or raise.

    Flat square images and a last axis of 1 are taken too; `unit_range` asks for values in [0, 1].
    """
    array = finite_array(name, value)
    if array.ndim == 2 and math.isqrt(array.shape[1]) ** 2 == array.shape[1]:
        array = array.reshape(len(array), math.isqrt(array.shape[1]), -1)
    elif array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    elif not (array.ndim == 3 or (array.ndim == 4 and array.shape[-1] == 3)):
        raise ValueError(
            f"{name} must be a batch of images of shape (n, 784), (n, height, width) or "
            f"(n, height, width, 1 or 3), got shape {array.shape}."
        )
    if unit_range and (array.min() < 0 or array.max() > 1):
        raise ValueError(
            f"{name} must lie in [0, 1], got {array.min():.3g} to {array.max():.3g}: "
            "divide pixel values from 0 to 255 by 255."
        )
    return array


def image_pair(x, x_hat):
    """Return images in [0, 1] and reconstructions of one shape, or raise."""
    x, x_hat = images("x", x, unit_range=True), images("x_hat", x_hat)
    if x.shape != x_hat.shape:
        raise ValueError(f"x and x_hat must have one shape, got {x.shape} and {x_hat.shape}.")
    return x, x_hat


def codes(name, value, width=None):
    """Return codes as a finite (n, width) array, or raise."""
    array = finite_array(name, value, ndim=2)
    if width is not None and array.shape[1] != width:
        wanted = f"(n, {width}), one row of {width} numbers per code"
        raise ValueError(f"{name} must have shape {wanted}, got shape {array.shape}.")
    return array


def built_model(name, value, *, or_layer=False):
    """Return `value` if it is a built Keras model, or with `or_layer` a layer, or raise."""
    if not isinstance(value, keras.layers.Layer if or_layer else keras.Model):
        wanted = "Keras model or layer" if or_layer else "Keras model"
        raise TypeError(f"{name} must be a {wanted}, got {type(value).__name__}.")
    if not value.built:
        raise ValueError(f"{name} must be built: begin it with keras.Input(shape).")
    return value
