"""Likelihoods, divergences and adversarial losses in nats: a tensor (batch,), a number per image.

Likelihoods and divergences (lecture 09) are summed over the pixels or the code, never averaged:
only then do they add up to a bound on log p(x). Average all of them over the batch.
"""

import math
import numbers
from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from coursekit import _validate

__all__ = [
    "bernoulli_log_likelihood",
    "call_frozen",
    "discriminator_loss",
    "gaussian_kl",
    "gaussian_log_likelihood",
    "generator_loss",
]


def bernoulli_log_likelihood(x: ArrayLike, logits: ArrayLike) -> Any:
    """log p(x | z) where each pixel is a coin: sum of x log p + (1 - x) log(1 - p). Lecture 09.

    p = sigmoid(logits); computed from the logits, it stays finite where p rounds to 0 or 1. For
    black and white pixels this is a likelihood; gray ones enter as if each were an average over
    black and white ones.

    x are images in [0, 1], (batch, ...), the logits, of the same shape, what the decoder gives
    before a sigmoid. Another shape or x raises a ValueError; in a compiled graph, where no value
    can be looked at, every result becomes NaN instead.
    """
    x, logits = _at_least_single(x, logits)
    _require_one_shape(x=x, logits=logits)
    inside = _validate.in_unit_range("x", x, "divide pixel values from 0 to 255 by 255")
    log_likelihood = _sum_per_image(x * logits - ops.softplus(logits))
    return ops.where(inside, log_likelihood, ops.full_like(log_likelihood, math.nan))


def gaussian_log_likelihood(x: ArrayLike, mean: ArrayLike, variance: ArrayLike = 1.0) -> Any:
    """log p(x | z) where each pixel is Gaussian, N(mean, variance). Lecture 09.

    -1/2 times the sum of log(2 pi variance) + (x - mean)^2 / variance: with a fixed variance, the
    squared error up to a factor and a constant. It is the logarithm of a density, so it may be
    positive.

    x and mean have one shape (batch, ...); variance is a number above 0, or a positive tensor that
    broadcasts to that shape. Raises a ValueError otherwise (a tensor's values are not looked at).
    """
    if isinstance(variance, numbers.Number):
        variance = _validate.real("variance", variance, above=0)
    x, mean, variance = _at_least_single(x, mean, variance)
    _require_one_shape(x=x, mean=mean)
    squares = ops.square(x - mean) / variance
    return -0.5 * _sum_per_image(squares + ops.log(2 * math.pi * variance))


def gaussian_kl(
    z_mean: ArrayLike, z_log_var: ArrayLike, prior_mean: ArrayLike = 0, prior_log_var: ArrayLike = 0
) -> Any:
    """KL(q || p) of two Gaussians with diagonal covariance, in closed form. Lecture 09.

    With d = z_log_var - prior_log_var, half the sum over the code of
    exp(d) - 1 - d + (z_mean - prior_mean)^2 / exp(prior_log_var). The second Gaussian is N(0, I)
    unless said otherwise: then it is -1/2 sum(1 + z_log_var - z_mean^2 - exp(z_log_var)).

    z_mean and z_log_var, means and log-variances of q, have one shape (batch, ...), or a ValueError
    is raised; those of p are numbers, or tensors that broadcast to that shape.
    """
    given = z_mean, z_log_var, prior_mean, prior_log_var
    z_mean, z_log_var, prior_mean, prior_log_var = _at_least_single(*given)
    _require_one_shape(z_mean=z_mean, z_log_var=z_log_var)
    d = z_log_var - prior_log_var
    squares = ops.square(z_mean - prior_mean) * ops.exp(-prior_log_var)
    # expm1, since exp(d) - 1 - d loses its digits where the two variances are nearly equal.
    return 0.5 * _sum_per_image(ops.expm1(d) - d + squares)


def discriminator_loss(
    real_logits: ArrayLike, fake_logits: ArrayLike, real_label: float = 1.0
) -> Any:
    """J_D = -log D(x) - log(1 - D(G(z))), with D the sigmoid of the logits. Lecture 11.

    Minus the game's value (Goodfellow et al. 2014): 2 log 2 where D can only guess, 0 where it has
    won. With a `real_label` t below 1 the first term is -t log D(x) - (1 - t) log(1 - D(x)).

    The logits, before a sigmoid, are what the discriminator gives for real and for generated
    samples, both (batch, 1); t is in (0, 1]. Raises a ValueError otherwise.
    """
    t = _validate.real("real_label", real_label, above=0, at_most=1)
    real, fake = _at_least_single(real_logits, fake_logits)
    _require_one_shape(real_logits=real, fake_logits=fake)
    real = t * ops.softplus(-real) + (1 - t) * ops.softplus(real)
    return _sum_per_image(real + ops.softplus(fake))


def generator_loss(fake_logits: ArrayLike, loss: str = "non-saturating") -> Any:
    """J_G, from the discriminator's logits for generated samples. Lecture 11.

    "minimax": log(1 - D(G(z))), the part of -J_D that the generator can change; its gradient
    vanishes where D is sure of itself. "non-saturating": -log D(G(z)), which has its minimum at the
    same place, and its largest gradient there (Goodfellow et al. 2014).

    fake_logits are (batch, 1), from `call_frozen` where one loss trains both players. Raises a
    ValueError for another loss, or logits of one axis.
    """
    _validate.one_of("loss", loss, ("non-saturating", "minimax"))
    (fake,) = _at_least_single(fake_logits)
    if len(fake.shape) < 2:
        raise ValueError(f"fake_logits must have shape (batch, 1), got {tuple(fake.shape)}.")
    per_logit = ops.softplus(-fake) if loss == "non-saturating" else -ops.softplus(fake)
    return _sum_per_image(per_logit)


def call_frozen(model: keras.layers.Layer, x: Any, training: bool | None = None) -> Any:
    """`model(x)` with its weights held fixed: gradients reach x, and no weight. Lecture 11.

    With it one loss trains two players against each other, in one ordinary `fit`::

        discriminator_loss(D(x), D(stop_gradient(fake))) + generator_loss(call_frozen(D, fake))

    The call leaves moving averages and random seeds of the model as they are. Like every new call,
    it makes Keras forget the activity penalties of the one before. `model` is a built Keras model
    or layer, or a TypeError or ValueError is raised; x is a tensor or a list of tensors.
    """
    _validate.built_model("model", model, or_layer=True)
    fixed = [(variable, ops.stop_gradient(variable.value)) for variable in model.variables]
    with keras.StatelessScope(state_mapping=fixed):
        return model(x, training=training)


def _at_least_single(*values):
    """As tensors of one floating-point type of 32 bits or more: sums need its digits."""
    tensors = [ops.convert_to_tensor(value) for value in values]
    dtype = keras.backend.result_type("float32", *(tensor.dtype for tensor in tensors))
    return [ops.cast(tensor, dtype) for tensor in tensors]


def _sum_per_image(values):
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))


def _require_one_shape(**tensors):
    (name, shape), (other_name, other) = ((n, tuple(t.shape)) for n, t in tensors.items())
    # A size that a compiled graph does not know is None.
    sizes = zip(shape, other, strict=False)
    fits = all(a == b or None in (a, b) for a, b in sizes)
    if not fits or len(shape) != len(other) or len(shape) < 2:
        raise ValueError(
            f"{name} and {other_name} must have one shape (batch, ...), got {shape} and {other}."
        )
