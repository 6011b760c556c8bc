"""The variational autoencoder, conditional or not."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from coursekit import _validate
from coursekit.layers import Sampling
from coursekit.losses import gaussian_kl
from coursekit.models import _base

__all__ = ["VariationalAutoencoder"]


@keras.saving.register_keras_serializable(package="coursekit")
class VariationalAutoencoder(_base.Likelihood):
    """An encoder q(z | x), a decoder p(x | z) and the prior N(0, I). Lectures 09 and 10.

    Train it on the images alone::

        model = VariationalAutoencoder(encoder, decoder)
        model.compile("adam")
        model.fit(x, validation_data=(x_validation,))

    `fit` and `evaluate` report, per image and in nats, "reconstruction" (-log p(x | z) at one draw
    of z), "kl" (KL(q(z | x) || N(0, I)), summed over the code), "elbo", which is minus the sum of
    both (Kingma and Welling 2014), and what is minimized, "loss" = reconstruction + beta * kl, to
    which Keras adds the penalties of the layers. `predict` gives the mean image of z_mean.

    In the conditional form both halves have a second input y beside x and z, a row of numbers per
    image such as a one-hot label (Sohn et al. 2015): ``fit([x, y])``,
    ``validation_data=([x_validation, y_validation],)``, and y in every method.

    Args:
        encoder: built Keras model from x, or [x, y], to [z_mean, z_log_var], both of one shape.
        decoder: built Keras model from z, or [z, y], to an output of the shape of x: logits, that
            is without a sigmoid, or with `variance` the mean image.
        variance: None for Bernoulli pixels, x in [0, 1]; above 0 for Gaussian pixels.
        beta: the weight of the KL term in the loss, from 0 (Higgins et al. 2017).
        seed: whole number that makes the draws of z in `fit` and `evaluate` reproducible, or None.

    Other halves and options raise a TypeError or ValueError; so do, in `fit` and `evaluate`,
    targets, sample weights, and a loss given to `compile`.
    """

    settings = ("variance", "beta", "seed")

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, *, variance: float | None = None,
        beta: float = 1.0, seed: int | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(**kwargs)
        conditional = len(getattr(encoder, "inputs", None) or ()) == 2
        _base.require_halves(encoder, decoder, "x", heads=2, conditional=conditional)
        z, z_log_var = (head.shape[1:] for head in encoder.outputs)
        _base.require_meeting("encoder gives z_mean of shape", z, "z_log_var of", z_log_var)
        self._take(encoder, decoder, variance, beta)
        self.seed = seed
        self.sampler = Sampling(seed=seed, dtype="float32")
        self.sampler.build([(None, *z)] * 2)
        self._means = [keras.metrics.Mean(name) for name in ("reconstruction", "kl", "elbo")]
        self.build(encoder.input_shape)

    def call(self, inputs: Any) -> Any:
        # For `predict`. The loss draws a z of its own, and a compiled step leaves this out.
        x, *y = self._split(inputs)
        z_mean, _ = self.encoder(_base.joined(x, *y), training=False)
        return ops.cast(self.image_decoder(_base.joined(z_mean, *y), training=False), "float32")

    def _loss(self, x, *y, training):
        """reconstruction + beta * kl."""
        z_mean, z_log_var = self.encoder(_base.joined(x, *y), training=training)
        z = self.sampler([z_mean, z_log_var])
        output = self.decoder(_base.joined(z, *y), training=training)
        reconstruction = -self.log_likelihood(x, output)
        kl = gaussian_kl(z_mean, z_log_var)
        for mean, part in zip(self._means, (reconstruction, kl, -reconstruction - kl), strict=True):
            mean.update_state(part)
        return ops.mean(reconstruction + self.beta * kl)

    def encode(self, x: ArrayLike, y: _base.Condition = None, batch_size: int = 1000) -> tuple:
        """Arrays of means and of log-variances of q(z | x), a row per image; errors as `decode`."""
        return tuple(_base.predict(self.encoder, batch_size, x=x, y=y))

    def codes(self, x: ArrayLike, y: _base.Condition = None, batch_size: int = 1000) -> np.ndarray:
        """z_mean of each image, the mean of q(z | x); arguments and errors as `decode`."""
        return self.encode(x, y, batch_size)[0]

    def elbo(
        self, x: ArrayLike, y: _base.Condition = None, *, samples: int = 1, seed: int = 0,
        batch_size: int = 1000,
    ) -> np.ndarray:  # fmt: skip
        """A lower bound on log p(x) of each image, E log p(x | z) - KL, in nats, whatever beta.

        The expectation is averaged over `samples` draws of z, from 1, made with `seed`; how many
        codes are decoded at once, `batch_size`, does not change the result. Errors as `decode`.
        """
        samples = _validate.whole("samples", samples)
        q = self.encode(x, y, batch_size)
        draws = self._draws(q, x, y, samples, seed, batch_size)
        log_likelihood = sum(log_likelihood for log_likelihood, _ in draws) / samples
        return log_likelihood - ops.convert_to_numpy(gaussian_kl(*q))

    def importance_weighted_nll(
        self, x: ArrayLike, k: int, y: _base.Condition = None, *, seed: int = 0,
        batch_size: int = 1000,
    ) -> np.ndarray:  # fmt: skip
        """-log p(x) of each image, bounded from above with k draws of z (Burda et al. 2016).

        -log of the mean over the draws of p(x | z) p(z) / q(z | x). For k = 1 its expectation is
        -ELBO; it falls as k grows, to -log p(x) in the limit. Arguments and errors as `elbo`.
        """
        k = _validate.whole("k", k)
        q = self.encode(x, y, batch_size)
        total = -np.inf
        for log_likelihood, log_ratio in self._draws(q, x, y, k, seed, batch_size):
            total = np.logaddexp(total, log_likelihood + log_ratio)
        return np.log(k) - total

    def _draws(self, q, x, y, samples, seed, batch_size):
        """Yield, `samples` times, log p(x | z) and log p(z) / q(z | x) of one z for each image."""
        z_mean, z_log_var = q
        rng, parts = np.random.default_rng(seed), [part for part in (x, y) if part is not None]
        for _ in range(samples):
            eps = rng.standard_normal(z_mean.shape, dtype="float32")
            z = z_mean + np.exp(z_log_var / 2) * eps
            log_likelihood = []
            for start in range(0, len(z), batch_size):
                rows = slice(start, start + batch_size)
                x_rows, *y_rows = (part[rows] for part in parts)
                output = self.decoder(_base.joined(z[rows], *y_rows), training=False)
                log_likelihood.append(ops.convert_to_numpy(self.log_likelihood(x_rows, output)))
            # The two normalizing constants cancel.
            log_ratio = 0.5 * (eps**2 + z_log_var - z**2).reshape(len(z), -1).sum(axis=1)
            yield np.concatenate(log_likelihood).astype("float64"), log_ratio
