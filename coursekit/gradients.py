"""Derivatives by the automatic differentiation of whichever backend Keras runs on."""

import keras

__all__ = ["gradient"]


def gradient(function, x):
    """The derivative of the scalar `function(x)` with respect to the array `x`, as an array.

    Automatic differentiation of the backend in use; None where TensorFlow or PyTorch find no way
    from `x` to the result (JAX says 0).
    """
    backend = keras.config.backend()
    x = keras.ops.convert_to_tensor(x)
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.convert_to_tensor(function(x))
        found = tape.gradient(y, x)
        found = None if found is None else tf.convert_to_tensor(found)
    elif backend == "jax":
        import jax

        found = jax.grad(function)(x)
    else:
        import torch

        x = x.detach().requires_grad_()
        y = function(x)
        found = torch.autograd.grad(y, x, allow_unused=True)[0] if y.requires_grad else None
    return None if found is None else keras.ops.convert_to_numpy(found)
