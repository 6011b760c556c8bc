"""Derivatives by the automatic differentiation of whichever backend Keras runs on."""

import contextlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops, tree
from numpy.typing import ArrayLike

__all__ = ["gradient", "jacobian"]


def gradient(function: Callable, x: Any) -> Any:
    """The derivative of a scalar function, by tf.GradientTape, jax.grad or torch.autograd.

    Args:
        function: of `x`, written with `keras.ops` or operators; returns one number.
        x: array, or a list, tuple or dict of arrays. Or weights (`model.trainable_weights`): then
            `function` takes no argument and uses the model, whose state stays what it is.

    Returns:
        NumPy arrays in the structure and the precision of `x`; None in place of one that TensorFlow
        or PyTorch find no way from to the result (JAX says 0).

    Raises:
        TypeError, ValueError: `x` holds anything but floating-point numbers, or `function` does not
            return a scalar.
    """
    leaves = tree.flatten(x)
    of_weights = any(isinstance(leaf, keras.Variable) for leaf in leaves)

    def scalar(values):
        if of_weights:
            with keras.StatelessScope(list(zip(leaves, values, strict=True))):
                y = function()
        else:
            y = function(tree.pack_sequence_as(x, values))
        if y is None or tuple(np.shape(y)) != ():
            got = None if y is None else f"shape {tuple(np.shape(y))}"
            raise ValueError(f"function must return a scalar, got {got}; sum or average it.")
        return y

    with _as_tensors(leaves) as values:
        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                tape.watch(values)
                y = tf.convert_to_tensor(scalar(values))
            found = tape.gradient(y, values)
        elif keras.config.backend() == "jax":
            import jax

            found = jax.grad(scalar)(values)
        else:
            import torch

            values = [value.detach().requires_grad_() for value in values]
            y = ops.convert_to_tensor(scalar(values))
            found = [None] * len(values)
            if y.requires_grad:
                found = torch.autograd.grad(y, values, allow_unused=True)
        # What was gathered has a sparse gradient in TensorFlow, hence a tensor first.
        found = [g if g is None else ops.convert_to_numpy(ops.convert_to_tensor(g)) for g in found]
    return tree.pack_sequence_as(x, found)


def jacobian(function: Callable, x: ArrayLike, *, per_sample: bool = False) -> np.ndarray:
    """The derivatives dy/dx of ``y = function(x)``, of shape (*y.shape, *x.shape). Lecture 06.

    With `per_sample`, row i of `y` must depend on row i of `x` alone, as in a batch: the zeros
    between samples are left out, and the shape is (n, *y.shape[1:], *x.shape[1:]).

    Raises:
        TypeError, ValueError: `x` holds anything but floating-point numbers; with `per_sample`,
            `function` does not return a row for each row of `x`.
    """

    def total(x):
        y = function(x)
        if not tuple(y.shape) or tuple(y.shape)[:1] != tuple(x.shape)[:1]:
            raise ValueError(
                f"function must return a row for each row of x, of shape {tuple(x.shape)}, "
                f"got shape {tuple(y.shape)}."
            )
        return ops.sum(y, axis=0)

    with _as_tensors([x]) as (x,):
        y_of = total if per_sample else function  # the sum of rows that do not mix has all of it
        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                tape.watch(x)
                y = y_of(x)
            found = tape.jacobian(y, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        elif keras.config.backend() == "jax":
            import jax

            found = jax.jacrev(y_of)(x)
        else:
            import torch

            found = torch.autograd.functional.jacobian(y_of, x)
        found = ops.convert_to_numpy(found)
    return np.moveaxis(found, found.ndim - len(x.shape), 0) if per_sample else found


@contextlib.contextmanager
def _as_tensors(leaves):
    """The numbers in `leaves` as tensors, for a block in which JAX, too, computes in float64."""
    values = [leaf.value if isinstance(leaf, keras.Variable) else leaf for leaf in leaves]
    values = [value if ops.is_tensor(value) else np.asarray(value) for value in values]
    for value in values:
        if "float" not in str(value.dtype):
            raise TypeError(f"x must hold floating-point numbers, got dtype {value.dtype}.")
    precision = contextlib.nullcontext()
    if keras.config.backend() == "jax" and any("float64" in str(v.dtype) for v in values):
        import jax

        precision = jax.enable_x64(True)
    with precision:
        yield [ops.convert_to_tensor(value) for value in values]
