"""Models that learn in a game: the GAN and the adversarial autoencoder."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from coursekit import _validate
from coursekit.callbacks import StopAtNaN
from coursekit.losses import call_frozen, discriminator_loss, generator_loss
from coursekit.models import _base

__all__ = ["GAN", "AdversarialAutoencoder"]

_REPORTED = ("generator_loss", "discriminator_loss", "accuracy_real", "accuracy_generated",
             "diversity")  # fmt: skip


class _AdversarialModel(_base.Untargeted):
    """What both adversarial models share: a discriminator, its game with a generator, `fit`."""

    settings = ("real_label", "gradient_penalty", "seed")

    def __init__(
        self, *, loss="non-saturating", real_label=1.0, gradient_penalty=0.0, seed=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.game = _validate.one_of("loss", loss, ("non-saturating", "minimax"))
        self.real_label = _validate.real("real_label", real_label, above=0.5, at_most=1)
        self.gradient_penalty = _validate.real("gradient_penalty", gradient_penalty, at_least=0)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._means = {name: keras.metrics.Mean(name) for name in _REPORTED}

    def _play(self, real, generated, *y, training):
        """J_D and J_G, averaged over the batch; the discriminator sees conditions `y` with both.

        The gradient of J_D reaches the discriminator alone, that of J_G what `generated` comes
        from alone: their sum moves both players at once.
        """
        judge, fixed = self.discriminator, ops.stop_gradient(generated)
        real_logits = judge(_base.joined(real, *y), training=training)
        fake_logits = judge(_base.joined(fixed, *y), training=training)
        frozen_logits = call_frozen(judge, _base.joined(generated, *y), training=training)
        J_D = discriminator_loss(real_logits, fake_logits, self.real_label)
        J_G = generator_loss(frozen_logits, self.game)
        # Of each entry over the batch, summed over the entries: how much one sample differs.
        variances = [ops.sum(ops.var(ops.cast(h, "float32"), axis=0)) for h in (fixed, real)]
        values = J_G, J_D, real_logits > 0, fake_logits < 0, ops.divide_no_nan(*variances)
        for name, value in zip(_REPORTED, values, strict=True):
            self._means[name].update_state(value)
        if self.gradient_penalty and training:
            # Lecture 06's stochastic penalty of the only output, the logit.
            sigma = 1e-2
            eps = keras.random.normal(ops.shape(real), seed=self.seed_generator)
            moved = _base.joined(ops.cast(real, "float32") + sigma * eps, *y)
            moved = judge(moved, training=training)
            slope = (ops.cast(moved, "float32") - ops.cast(real_logits, "float32")) / sigma
            J_D = J_D + 0.5 * self.gradient_penalty * ops.mean(ops.square(slope))
        return ops.mean(J_D), ops.mean(J_G)

    def fit(self, x: Any = None, *, callbacks: Any = (), **options: Any) -> Any:
        """Keras' `fit`, without targets; an `ArithmeticError` says which loss was not finite."""
        given = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
        return super().fit(x, callbacks=[*given, StopAtNaN()], **options)

    def _require_judge(self, gives, shape, *y_shapes):
        """Raise unless the discriminator takes that shape and can play by the options."""
        judge = self.discriminator
        _base.require_ends("discriminator", judge, inputs=1 + len(y_shapes), outputs=1)
        _base.require_meeting(gives, shape, "discriminator takes", judge.inputs[0].shape[1:])
        (logit,) = _base.shapes(judge.outputs)
        _base.require_meeting("discriminator gives", logit, "one logit is", (1,))
        for layer in judge._flatten_layers():
            if getattr(layer, "activity_regularizer", None) is not None:
                raise ValueError(
                    f"discriminator has an activity regularizer in the layer {layer.name}, and "
                    "Keras would count only its last call's penalty: regularize its weights."
                )
            if self.gradient_penalty and _differs_in_training(layer):
                raise ValueError(
                    f"discriminator has the layer {layer.name} ({type(layer).__name__}), which "
                    "does not compute the same in two calls in training: the gradient penalty "
                    "would measure that. Leave it out, or give gradient_penalty=0."
                )

    def get_config(self) -> dict:
        return {**super().get_config(), "loss": self.game}  # `loss` itself is Keras' own


@keras.saving.register_keras_serializable(package="coursekit")
class GAN(_AdversarialModel):
    """A generator G(z) and a discriminator D(x), trained against each other. Lecture 11.

    Train it on the images alone, both players at once (Goodfellow et al. 2014)::

        model = GAN(generator, discriminator)
        model.compile(keras.optimizers.Adam(4e-4, beta_1=0.5))
        model.fit(x)

    z is drawn from N(0, I). `fit` and `evaluate` report both players' losses in nats,
    "discriminator_loss" J_D and "generator_loss" J_G (see `losses`), the share of images that D
    tells right, "accuracy_real" and "accuracy_generated" (0.5 where it can only guess), and
    "diversity", the variance of the generated pixels as a part of that of the real ones: about 1 as
    it should be, near 0 when G has collapsed onto one image. "loss", J_D + J_G, does not tell
    progress. `decode` gives G(z), `predict` D's probability that an image is real.

    Args:
        generator: built Keras model from z (m,) to images.
        discriminator: built Keras model from images to one logit (1,), that is without a sigmoid.
        loss: the generator's, "non-saturating", -log D(G(z)), or "minimax", log(1 - D(G(z))).
        real_label: what the discriminator should say of real images, above 0.5; 0.9 keeps it from
            being too sure (one-sided label smoothing, Salimans et al. 2016).
        gradient_penalty: gamma from 0; above it, gamma / 2 ||dD/dx||^2 at real images is added to
            J_D, D being the logit (R1, Mescheder et al. 2018), with the gradient estimated from one
            random small step as in lecture 06.
        seed: whole number that makes the draws of z in `fit` reproducible, or None.

    Other players and options raise a TypeError or ValueError, as does a layer such as Dropout
    beside a gradient penalty; so do, in `fit` and `evaluate`, targets, sample weights, and a loss
    given to `compile`. `fit` raises an ArithmeticError where a loss is no longer finite.
    """

    parts = ("generator", "discriminator")

    def __init__(self, generator: keras.Model, discriminator: keras.Model, **options: Any):
        super().__init__(**options)
        _base.require_ends("generator", generator, inputs=1, outputs=1)
        self.generator, self.discriminator = generator, discriminator
        self._require_judge("generator gives", generator.output_shape[1:])
        self.build(discriminator.input_shape)

    def call(self, x: Any) -> Any:
        # For `predict`; a compiled step of training leaves it out.
        (x,) = self._split(x)
        return ops.sigmoid(ops.cast(self.discriminator(x, training=False), "float32"))

    def _loss(self, x, *, training):
        """J_D + J_G, which no weight sees both of."""
        shape = (ops.shape(x)[0], *self.generator.input_shape[1:])
        z = keras.random.normal(shape, seed=self.seed_generator)
        return sum(self._play(x, self.generator(z, training=training), training=training))

    @property
    def image_decoder(self) -> keras.Model:
        """What `decode` evaluates: the generator."""
        return self.generator

    def compute_output_shape(self, input_shape: Any) -> tuple:
        return (input_shape[0], 1)


@keras.saving.register_keras_serializable(package="coursekit")
class AdversarialAutoencoder(_AdversarialModel, _base.Likelihood):
    """An autoencoder whose codes a discriminator tells from draws of a prior. Lecture 12.

    Where the VAE has a KL term, the encoder plays a game (Makhzani et al. 2015): draws of the prior
    are the discriminator's real ones, the codes h = f(x) the generated ones. So the prior need
    not have a density, only a sampler. Train it on the images alone::

        model = AdversarialAutoencoder(encoder, decoder, discriminator, priors.Ring())
        model.compile("adam")
        model.fit(x)

    `fit` and `evaluate` report "reconstruction", -log p(x | h) per image in nats, the quantities of
    `GAN` with codes in place of images, and what is minimized, "loss" = reconstruction +
    beta * J_G + J_D. `predict` gives reconstructions.

    In the conditional form the discriminator has a second input y, a row of numbers per image such
    as a one-hot label, and the prior is told y: ``fit([x, y])``, ``sample(n, y)``. Encoder and
    decoder never see it, yet each label finds its own part of the prior.

    Args:
        encoder: built Keras model from x to codes h.
        decoder, variance: as for `VariationalAutoencoder`.
        discriminator: built Keras model from h, or [h, y], to one logit (1,).
        prior: ``prior(n, seed)``, or ``prior(n, seed, y)``, gives n codes as a tensor, drawn by
            `keras.random` with that seed; see `priors`. To be saved it must be registered
            (`keras.saving.register_keras_serializable`).
        beta: the weight of J_G in the loss, from 0.
        loss, real_label, gradient_penalty, seed: as for `GAN`.

    Raises as `GAN`, and where `prior` gives no such codes.
    """

    parts = ("encoder", "decoder", "discriminator", "prior")
    settings, symbol = ("variance", "beta", *_AdversarialModel.settings), "h"

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, discriminator: keras.Model,
        prior: Callable, *, variance: float | None = None, beta: float = 1.0, **options: Any,
    ):  # fmt: skip
        super().__init__(**options)
        _base.require_halves(encoder, decoder)
        self._take(encoder, decoder, variance, beta)
        self.discriminator, self.prior = discriminator, prior
        self._means["reconstruction"] = keras.metrics.Mean("reconstruction")
        h = encoder.output_shape[1:]
        y_shapes = _base.shapes(getattr(discriminator, "inputs", None) or ())[1:]
        self._require_judge("encoder gives codes of shape", h, *y_shapes)
        if not callable(prior):
            kind = type(prior).__name__
            raise TypeError(f"prior must be a function of n and a seed, got {kind}.")
        y = (np.eye(2, *shape, dtype="float32") for shape in y_shapes)
        drawn = tuple(prior(2, keras.random.SeedGenerator(0), *y).shape)
        _base.require_meeting("prior gives codes of shape", drawn, "wanted is", (2, *h))
        self.build(_base.joined(encoder.input_shape, *((None, *shape) for shape in y_shapes)))

    def call(self, inputs: Any) -> Any:
        # For `predict`, which needs no y: x and [x, y] both do.
        x = inputs[0] if isinstance(inputs, (list, tuple)) else inputs
        h = self.encoder(x, training=False)
        return ops.cast(self.image_decoder(h, training=False), "float32")

    def _loss(self, x, *y, training):
        """reconstruction + beta * J_G + J_D."""
        h = self.encoder(x, training=training)
        reconstruction = -self.log_likelihood(x, self.decoder(h, training=training))
        self._means["reconstruction"].update_state(reconstruction)
        drawn = self.prior(ops.shape(x)[0], self.seed_generator, *y)
        J_D, J_G = self._play(drawn, h, *y, training=training)
        return ops.mean(reconstruction) + self.beta * J_G + J_D

    def _draw(self, n, y, seed):
        """Codes drawn from the prior, which is told y; the decoder is not."""
        if (y is not None) != self.conditional:
            where = "where the discriminator takes it as a second input, and only there"
            raise ValueError(f"y must be given {where}.")
        if y is not None and len(y) != n:
            raise ValueError(f"y must have n = {n} rows, got {len(y)}.")
        drawn = self.prior(n, keras.random.SeedGenerator(seed), *([] if y is None else [y]))
        return [ops.convert_to_numpy(drawn)]

    def get_config(self) -> dict:
        kind = self.prior if hasattr(self.prior, "__name__") else type(self.prior)
        if keras.saving.get_registered_name(kind) == kind.__name__:
            raise ValueError(
                f"prior {kind.__name__} is not registered, so it could not be loaded again: write "
                "@keras.saving.register_keras_serializable() above its definition."
            )
        return super().get_config()


def _differs_in_training(layer):
    """Whether a layer without parts computes something else in training; it leaves no trace."""
    parts = list(layer._flatten_layers(include_self=False))
    if parts or "training" not in inspect.signature(layer.call).parameters:
        return False
    x = keras.tree.map_structure(
        lambda end: keras.random.normal([n or 4 for n in end.shape], seed=0), layer.input
    )
    with keras.StatelessScope():
        one, other = (ops.convert_to_numpy(layer(x, training=mode)) for mode in (True, False))
    return not np.array_equal(one, other)
