"""The checks of arguments that several modules share; each names the argument at fault."""

import math
import numbers

import keras
import numpy as np
from keras import ops


def whole(name, value, *, least=1):
    """Return `value` as an int that is at least `least`, or raise."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}.")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}.")
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


def real(name, value, *, least=None, most=None, above=None, below=None):
    """Return `value` as a finite float within the bounds, or raise an error that names it."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    fits = (
        math.isfinite(value)
        and (least is None or value >= least)
        and (most is None or value <= most)
        and (above is None or value > above)
        and (below is None or value < below)
    )
    if not fits:
        bounds = {"from": least, "to": most, "above": above, "and below": below}
        allowed = " ".join(f"{word} {bound}" for word, bound in bounds.items() if bound is not None)
        raise ValueError(f"{name} must be a finite number {allowed}, got {value}.")
    return float(value)


def one_of(name, value, allowed):
    """Return `value` if it is among the `allowed` strings, or raise."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}.")
    return value


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

    Accepts flat square images (n, height * width), (n, height, width) and (n, height, width, 1 or
    3); with `unit_range`, only values in [0, 1].
    """
    array = finite_array(name, value)
    if array.ndim == 2 and math.isqrt(array.shape[1]) ** 2 == array.shape[1]:
        side = math.isqrt(array.shape[1])
        array = array.reshape(-1, side, side)
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


def codes(name, value, width=None):
    """Return codes as a finite (n, width) array, or raise."""
    array = finite_array(name, value, ndim=2)
    if width is not None and array.shape[1] != width:
        raise ValueError(
            f"{name} must have shape (n, {width}), one row of {width} numbers per code, "
            f"got shape {array.shape}."
        )
    return array


def built_model(name, value):
    """Return `value` if it is a built Keras model, or raise."""
    if not isinstance(value, keras.Model):
        raise TypeError(f"{name} must be a Keras model, got {type(value).__name__}.")
    if not value.built:
        raise ValueError(f"{name} must be built: begin it with keras.Input(shape).")
    return value
