"""Likelihoods and divergences, one number per image, in nats. Lecture 09.

All are summed over the pixels or the code, never averaged: only then do they add up to a bound on
log p(x). Average them over the batch.
"""

import math
import numbers

import keras
from keras import ops

from coursekit import _validate


def bernoulli_log_likelihood(x, logits):
    """log p(x | z) where each pixel is a coin: sum of x log p + (1 - x) log(1 - p). Lecture 09.

    p = sigmoid(logits); computed from the logits, it stays finite where p rounds to 0 or 1. For
    black and white pixels this is a likelihood; gray ones enter as if each were an average over
    black and white ones.

    Args:
        x: images in [0, 1], (batch, ...).
        logits: what the decoder gives before a sigmoid, of the same shape.

    Returns:
        Tensor (batch,).

    Raises:
        ValueError: the shapes differ, or `x` lies outside [0, 1]; in a compiled graph, where no
            value can be looked at, every result becomes NaN instead.
    """
    x, logits = _at_least_single(x, logits)
    _require_one_shape(x=x, logits=logits)
    inside = _validate.in_unit_range("x", x, "divide pixel values from 0 to 255 by 255")
    log_likelihood = _sum_per_image(x * logits - ops.softplus(logits))
    return ops.where(inside, log_likelihood, ops.full_like(log_likelihood, math.nan))


def gaussian_log_likelihood(x, mean, variance=1.0):
    """log p(x | z) where each pixel is Gaussian, N(mean, variance). Lecture 09.

    -1/2 times the sum of log(2 pi variance) + (x - mean)^2 / variance: with a fixed variance, the
    squared error up to a factor and a constant. It is the logarithm of a density, so it may be
    positive.

    Args:
        x, mean: images and what the decoder gives, of one shape (batch, ...).
        variance: a number above 0, or a positive tensor that broadcasts to that shape.

    Returns:
        Tensor (batch,).

    Raises:
        ValueError: the shapes differ, or `variance` is not above 0 (a tensor is not looked at).
    """
    if isinstance(variance, numbers.Number):
        variance = _validate.real("variance", variance, above=0)
    x, mean, variance = _at_least_single(x, mean, variance)
    _require_one_shape(x=x, mean=mean)
    squares = ops.square(x - mean) / variance
    return -0.5 * _sum_per_image(squares + ops.log(2 * math.pi * variance))


def gaussian_kl(z_mean, z_log_var, prior_mean=0.0, prior_log_var=0.0):
    """KL(q || p) of two Gaussians with diagonal covariance, in closed form. Lecture 09.

    With d = z_log_var - prior_log_var, half the sum over the code of
    exp(d) - 1 - d + (z_mean - prior_mean)^2 / exp(prior_log_var). The second Gaussian is N(0, I)
    unless said otherwise: then it is -1/2 sum(1 + z_log_var - z_mean^2 - exp(z_log_var)).

    Args:
        z_mean, z_log_var: means and log-variances of q, (batch, ...).
        prior_mean, prior_log_var: those of p: numbers, or tensors that broadcast to that shape.

    Returns:
        Tensor (batch,), from 0.

    Raises:
        ValueError: the shapes of `z_mean` and `z_log_var` differ.
    """
    z_mean, z_log_var, prior_mean, prior_log_var = _at_least_single(
        z_mean, z_log_var, prior_mean, prior_log_var
    )
    _require_one_shape(z_mean=z_mean, z_log_var=z_log_var)
    d = z_log_var - prior_log_var
    squares = ops.square(z_mean - prior_mean) * ops.exp(-prior_log_var)
    # expm1, since exp(d) - 1 - d loses its digits where the two variances are nearly equal.
    return 0.5 * _sum_per_image(ops.expm1(d) - d + squares)


def _at_least_single(*values):
    """As tensors of one floating-point type of 32 bits or more: sums need its digits."""
    tensors = [ops.convert_to_tensor(value) for value in values]
    dtype = keras.backend.result_type("float32", *(tensor.dtype for tensor in tensors))
    return [ops.cast(tensor, dtype) for tensor in tensors]


def _sum_per_image(values):
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))


def _require_one_shape(**tensors):
    (name, shape), (other_name, other) = ((n, tuple(t.shape)) for n, t in tensors.items())
    known = zip(shape, other, strict=False)
    if (
        len(shape) != len(other)
        or len(shape) < 2
        or any(None not in pair and pair[0] != pair[1] for pair in known)
    ):
        raise ValueError(
            f"{name} and {other_name} must have one shape (batch, ...), got {shape} and {other}."
        )
