"""Likelihoods, divergences and adversarial losses, one number per image, in nats.

Likelihoods and divergences (lecture 09) are summed over the pixels or the code, never averaged:
only then do they add up to a bound on log p(x). Average all of them over the batch.
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


def discriminator_loss(real_logits, fake_logits, real_label=1.0):
    """J_D = -log D(x) - log(1 - D(G(z))), with D the sigmoid of the logits. Lecture 11.

    Minus the game's value (Goodfellow et al. 2014): 2 log 2 where D can only guess, 0 where it has
    won. With a `real_label` t below 1 the first term is -t log D(x) - (1 - t) log(1 - D(x)).

    Args:
        real_logits, fake_logits: what the discriminator gives for real and for generated samples,
            before a sigmoid, both (batch, 1).
        real_label: t, in (0, 1].

    Returns:
        Tensor (batch,).

    Raises:
        ValueError: the shapes differ, or `real_label` is out of range.
    """
    t = _validate.real("real_label", real_label, above=0, at_most=1)
    real, fake = _at_least_single(real_logits, fake_logits)
    _require_one_shape(real_logits=real, fake_logits=fake)
    return _sum_per_image(t * ops.softplus(-real) + (1 - t) * ops.softplus(real)) + _sum_per_image(
        ops.softplus(fake)
    )


def generator_loss(fake_logits, loss="non-saturating"):
    """J_G, from the discriminator's logits for generated samples. Lecture 11.

    "minimax": log(1 - D(G(z))), the part of -J_D that the generator can change; its gradient
    vanishes where D is sure of itself. "non-saturating": -log D(G(z)), which has its minimum at the
    same place, and its largest gradient there (Goodfellow et al. 2014).

    Args:
        fake_logits: (batch, 1), from `call_frozen` where one loss trains both players.
        loss: "non-saturating" or "minimax".

    Returns:
        Tensor (batch,).

    Raises:
        ValueError: another loss, or logits of one axis.
    """
    _validate.one_of("loss", loss, ("non-saturating", "minimax"))
    (fake,) = _at_least_single(fake_logits)
    if len(fake.shape) < 2:
        raise ValueError(f"fake_logits must have shape (batch, 1), got {tuple(fake.shape)}.")
    per_logit = ops.softplus(-fake) if loss == "non-saturating" else -ops.softplus(fake)
    return _sum_per_image(per_logit)


def call_frozen(model, x, training=None):
    """`model(x)` with its weights held fixed: gradients reach x, and no weight. Lecture 11.

    With it one loss trains two players against each other, in one ordinary `fit`::

        discriminator_loss(D(x), D(stop_gradient(fake))) + generator_loss(call_frozen(D, fake))

    The call leaves moving averages and random seeds of the model as they are. Like every new call,
    it makes Keras forget the activity penalties of the one before.

    Args:
        model: built Keras model or layer.
        x: its inputs, a tensor or a list of tensors.
        training: as in ``model(x, training=...)``.

    Returns:
        What the model gives.

    Raises:
        TypeError, ValueError: `model` is no Keras model or layer, or is not built.
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"model must be a Keras model or layer, got {type(model).__name__}.")
    if not model.built:
        raise ValueError("model must be built: begin it with keras.Input(shape).")
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
    known = zip(shape, other, strict=False)
    if (
        len(shape) != len(other)
        or len(shape) < 2
        or any(None not in pair and pair[0] != pair[1] for pair in known)
    ):
        raise ValueError(
            f"{name} and {other_name} must have one shape (batch, ...), got {shape} and {other}."
        )
