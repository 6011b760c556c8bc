"""The variational autoencoder, conditional or not."""

import keras
import numpy as np
from keras import ops
from scipy.special import expit

from coursekit import _validate
from coursekit.layers import Sampling
from coursekit.losses import bernoulli_log_likelihood, gaussian_kl, gaussian_log_likelihood
from coursekit.models._base import (
    _Composed,
    _joined,
    _predict,
    _require_ends,
    _require_meeting,
    _shapes,
)


@keras.saving.register_keras_serializable(package="coursekit")
class VariationalAutoencoder(_Composed):
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
        variance: None for Bernoulli pixels, x in [0, 1]; a number above 0 for Gaussian pixels of
            that variance.
        beta: the weight of the KL term in the loss, from 0 (Higgins et al. 2017).
        seed: whole number that makes the draws of z in `fit` and `evaluate` reproducible, or None.

    Raises:
        TypeError, ValueError: a half is no built Keras model, their shapes do not meet, or an
            option is outside its range; in `fit` and `evaluate`, targets, sample weights, or a
            loss given to `compile`.
    """

    def __init__(self, encoder, decoder, *, variance=None, beta=1.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        conditional = len(getattr(encoder, "inputs", None) or ()) == 2
        _require_ends("encoder", encoder, inputs=1 + conditional, outputs=2)
        _require_ends("decoder", decoder, inputs=1 + conditional, outputs=1)
        (x, *y), (z, z_log_var) = _shapes(encoder.inputs), _shapes(encoder.outputs)
        (decoder_z, *decoder_y), (x_hat,) = _shapes(decoder.inputs), _shapes(decoder.outputs)
        _require_meeting("encoder gives z_mean of shape", z, "z_log_var of", z_log_var)
        _require_meeting("encoder gives codes of shape", z, "decoder takes", decoder_z)
        _require_meeting("encoder takes x of shape", x, "decoder gives", x_hat)
        if conditional:
            _require_meeting("encoder takes y of shape", *y, "decoder takes", *decoder_y)
        self.encoder = encoder
        self.decoder = decoder
        self.variance = None if variance is None else _validate.real("variance", variance, above=0)
        self._beta = _validate.real("beta", beta, at_least=0)
        self.seed = seed
        self.sampler = Sampling(seed=seed, dtype="float32")
        self.sampler.build([(None, *z)] * 2)
        self._means = [keras.metrics.Mean(name) for name in ("reconstruction", "kl", "elbo")]
        self.build(encoder.input_shape)

    @property
    def beta(self):
        """The weight of the KL term; for another one, make a new model of the same halves."""
        return self._beta

    def call(self, inputs):
        # For `predict`. The loss draws a z of its own, and a compiled step leaves this out.
        x, *y = self._split(inputs, len(self.encoder.inputs))
        z_mean, _ = self.encoder(_joined(x, *y), training=False)
        output = ops.cast(self.decoder(_joined(z_mean, *y), training=False), "float32")
        return ops.sigmoid(output) if self.variance is None else output

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """reconstruction + beta * kl, averaged over the batch: what `fit` minimizes."""
        self._require_no_targets(y, sample_weight)
        x, *y = self._split(x, len(self.encoder.inputs))
        z_mean, z_log_var = self.encoder(_joined(x, *y), training=training)
        z = self.sampler([z_mean, z_log_var])
        reconstruction = -self.log_likelihood(x, self.decoder(_joined(z, *y), training=training))
        kl = gaussian_kl(z_mean, z_log_var)
        for mean, part in zip(self._means, (reconstruction, kl, -reconstruction - kl), strict=True):
            mean.update_state(part)
        return ops.mean(reconstruction + self.beta * kl) + sum(map(ops.sum, self.losses))

    def log_likelihood(self, x, output):
        """log p(x | z) of each image, a tensor (batch,), from the decoder's output at z."""
        if self.variance is None:
            return bernoulli_log_likelihood(x, output)
        return gaussian_log_likelihood(x, output, self.variance)

    def encode(self, x, y=None, batch_size=1000):
        """Means and log-variances of q(z | x), a pair of NumPy arrays of one row per image.

        Raises:
            ValueError: `x` or `y` has another shape than the encoder takes, or is not finite; `y`
                is missing in the conditional form, or given in the other.
        """
        z_mean, z_log_var = _predict(self.encoder, batch_size, x=x, y=y)
        return z_mean.astype("float32"), z_log_var.astype("float32")

    def decode(self, z, y=None, batch_size=1000):
        """Mean images of p(x | z) for a batch of codes, a NumPy array; raises as `encode`."""
        output = _predict(self.decoder, batch_size, z=z, y=y).astype("float32")
        return expit(output) if self.variance is None else output

    def reconstruct(self, x, y=None, batch_size=1000):
        """Mean images of p(x | z) at z = z_mean(x), without a draw; raises as `encode`."""
        return self.decode(self.encode(x, y, batch_size)[0], y, batch_size)

    def sample(self, n, y=None, *, seed=0, batch_size=1000):
        """Mean images of `n` codes drawn from the prior, a NumPy array; raises as `encode`.

        One seed always draws the same codes, whatever `y` (a row for each).
        """
        shape = (_validate.whole("n", n), *self.decoder.inputs[0].shape[1:])
        z = np.random.default_rng(seed).standard_normal(shape, dtype="float32")
        return self.decode(z, y, batch_size)

    def elbo(self, x, y=None, *, samples=1, seed=0, batch_size=1000):
        """A lower bound on log p(x) of each image, E log p(x | z) - KL, in nats, whatever beta.

        Args:
            x, y: images, and conditions for the conditional form.
            samples: how many draws of z the expectation is averaged over.
            seed: of the draws.
            batch_size: how many codes are decoded at once: memory grows with it, not with
                `samples`, and the result does not change.

        Returns:
            NumPy array (n,).

        Raises:
            TypeError, ValueError: as `encode`, or `samples` is no whole number from 1.
        """
        samples = _validate.whole("samples", samples)
        q = self.encode(x, y, batch_size)
        draws = self._draws(q, x, y, samples, seed, batch_size)
        log_likelihood = sum(log_likelihood for log_likelihood, _ in draws) / samples
        return log_likelihood - ops.convert_to_numpy(gaussian_kl(*q))

    def importance_weighted_nll(self, x, k, y=None, *, seed=0, batch_size=1000):
        """-log p(x) of each image, bounded from above with k draws of z (Burda et al. 2016).

        -log of the mean over the draws of p(x | z) p(z) / q(z | x). For k = 1 its expectation is
        -ELBO; it falls as k grows, to -log p(x) in the limit.

        Args:
            x, y, seed, batch_size: as for `elbo`.
            k: the number of draws for each image.

        Returns:
            NumPy array (n,).

        Raises:
            TypeError, ValueError: as `encode`, or `k` is no whole number from 1.
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
        rng = np.random.default_rng(seed)
        for _ in range(samples):
            eps = rng.standard_normal(z_mean.shape, dtype="float32")
            z = z_mean + np.exp(z_log_var / 2) * eps
            log_likelihood = []
            for start in range(0, len(z), batch_size):
                x_rows, z_rows, *y_rows = (
                    array[start : start + batch_size] for array in (x, z, y) if array is not None
                )
                output = self.decoder(_joined(z_rows, *y_rows), training=False)
                log_likelihood.append(ops.convert_to_numpy(self.log_likelihood(x_rows, output)))
            # The two normalizing constants cancel.
            log_ratio = 0.5 * (eps**2 + z_log_var - z**2).reshape(len(z), -1).sum(axis=1)
            yield np.concatenate(log_likelihood).astype("float64"), log_ratio

    def compute_output_shape(self, input_shape):
        x_shape = input_shape[0] if len(self.encoder.inputs) == 2 else input_shape
        return (x_shape[0], *self.decoder.output_shape[1:])

    def get_config(self):
        own = {"variance": self.variance, "beta": self.beta, "seed": self.seed}
        return {**super().get_config(), **own}
