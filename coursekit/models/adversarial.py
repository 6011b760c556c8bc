"""Models that learn in a game: the GAN and the adversarial autoencoder."""

import inspect

import keras
import numpy as np
from keras import ops
from scipy.special import expit

from coursekit import _validate
from coursekit.callbacks import StopAtNaN
from coursekit.losses import (
    bernoulli_log_likelihood,
    call_frozen,
    discriminator_loss,
    gaussian_log_likelihood,
    generator_loss,
)
from coursekit.models._base import (
    _Composed,
    _joined,
    _predict,
    _require_ends,
    _require_halves,
    _require_meeting,
    _shapes,
)


class _AdversarialModel(_Composed):
    """What both adversarial models share: a discriminator, its game with a generator, `fit`."""

    def __init__(self, *, loss, real_label, gradient_penalty, seed, **kwargs):
        super().__init__(**kwargs)
        self.game = _validate.one_of("loss", loss, ("non-saturating", "minimax"))
        self.real_label = _validate.real("real_label", real_label, above=0.5, at_most=1)
        self.gradient_penalty = _validate.real("gradient_penalty", gradient_penalty, at_least=0)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._means = {
            name: keras.metrics.Mean(name)
            for name in (
                "generator_loss",
                "discriminator_loss",
                "accuracy_real",
                "accuracy_generated",
                "diversity",
            )
        }

    def _play(self, real, generated, *y, training):
        """J_D and J_G, averaged over the batch; the discriminator sees conditions `y` with both.

        The gradient of J_D reaches the discriminator alone, that of J_G what `generated` comes
        from alone: their sum moves both players at once.
        """
        judge = self.discriminator
        fixed = ops.stop_gradient(generated)
        real_logits = judge(_joined(real, *y), training=training)
        fake_logits = judge(_joined(fixed, *y), training=training)
        J_D = discriminator_loss(real_logits, fake_logits, self.real_label)
        J_G = generator_loss(
            call_frozen(judge, _joined(generated, *y), training=training), self.game
        )
        for name, values in {
            "discriminator_loss": J_D,
            "generator_loss": J_G,
            "accuracy_real": real_logits > 0,
            "accuracy_generated": fake_logits < 0,
            "diversity": ops.divide_no_nan(_variance(fixed), _variance(real)),
        }.items():
            self._means[name].update_state(values)
        if self.gradient_penalty and training:
            # Lecture 06's stochastic penalty of the only output, the logit.
            sigma = 1e-2
            eps = keras.random.normal(ops.shape(real), seed=self.seed_generator)
            real = ops.cast(real, "float32")
            moved = judge(_joined(real + sigma * eps, *y), training=training)
            slope = (ops.cast(moved, "float32") - ops.cast(real_logits, "float32")) / sigma
            J_D = J_D + 0.5 * self.gradient_penalty * ops.mean(ops.square(slope))
        return ops.mean(J_D), ops.mean(J_G)

    def fit(self, x=None, *, callbacks=(), **options):
        """Keras' `fit`, without targets.

        Raises:
            ArithmeticError: a loss is no longer finite; it says which and when.
        """
        given = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
        return super().fit(x, callbacks=[*given, StopAtNaN()], **options)

    def _require_judge(self, takes, y_shapes):
        """Raise unless the discriminator takes that shape and can play by the options."""
        _require_ends("discriminator", self.discriminator, inputs=1 + len(y_shapes), outputs=1)
        (x, *_), (logit,) = _shapes(self.discriminator.inputs), _shapes(self.discriminator.outputs)
        _require_meeting(takes[0], takes[1], "discriminator takes", x)
        _require_meeting("discriminator gives", logit, "one logit is", (1,))
        for layer in self.discriminator._flatten_layers():
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

    def get_config(self):
        own = {
            "loss": self.game,
            "real_label": self.real_label,
            "gradient_penalty": self.gradient_penalty,
            "seed": self.seed,
        }
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="coursekit")
class GAN(_AdversarialModel):
    """A generator G(z) and a discriminator D(x), trained against each other. Lecture 11.

    Train it on the images alone, both players at once (Goodfellow et al. 2014)::

        model = GAN(generator, discriminator)
        model.compile(keras.optimizers.Adam(4e-4, beta_1=0.5))
        model.fit(x)

    z is drawn from N(0, I). `fit` and `evaluate` report both players' losses in nats,
    "discriminator_loss" J_D and "generator_loss" J_G (see `losses`), the share of images that the
    discriminator tells right, "accuracy_real" and "accuracy_generated" (both 0.5 where it can only
    guess, 1 where it has won), and "diversity", the variance of the generated pixels as a part of
    that of the real ones: about 1 as it should be, near 0 when the generator has collapsed onto one
    image. "loss", the sum of J_D and J_G, does not tell progress. `predict` gives D's probability
    that an image is real.

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

    Raises:
        TypeError, ValueError: a player is no built Keras model, their shapes do not meet, an option
            is outside its range, or a discriminator with a gradient penalty has a layer such as
            Dropout or BatchNormalization; in `fit` and `evaluate`, targets, sample weights, or a
            loss given to `compile`.
        ArithmeticError: in `fit`, a loss is no longer finite.
    """

    parts = ("generator", "discriminator")

    def __init__(
        self,
        generator,
        discriminator,
        *,
        loss="non-saturating",
        real_label=1.0,
        gradient_penalty=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            loss=loss, real_label=real_label, gradient_penalty=gradient_penalty, seed=seed, **kwargs
        )
        _require_ends("generator", generator, inputs=1, outputs=1)
        self.generator = generator
        self.discriminator = discriminator
        self._require_judge(("generator gives", generator.output_shape[1:]), ())
        self.build(discriminator.input_shape)

    def call(self, x):
        # For `predict`; a compiled step of training leaves it out.
        (x,) = self._split(x, 1)
        return ops.sigmoid(ops.cast(self.discriminator(x, training=False), "float32"))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """J_D + J_G, which no weight sees both of, averaged over the batch."""
        self._require_no_targets(y, sample_weight)
        (x,) = self._split(x, 1)
        z = keras.random.normal(
            (ops.shape(x)[0], *self.generator.input_shape[1:]), seed=self.seed_generator
        )
        J_D, J_G = self._play(x, self.generator(z, training=training), training=training)
        return J_D + J_G + sum(map(ops.sum, self.losses))

    def generate(self, z, batch_size=1000):
        """Images G(z) of a batch of z, as a NumPy array.

        Raises:
            ValueError: `z` has another shape than the generator takes, or is not finite.
        """
        return _predict(self.generator, batch_size, z=z).astype("float32")

    def sample(self, n, *, seed=0, batch_size=1000):
        """Images of `n` draws of z from N(0, I), a NumPy array; one seed draws the same z."""
        shape = (_validate.whole("n", n), *self.generator.input_shape[1:])
        z = np.random.default_rng(seed).standard_normal(shape, dtype="float32")
        return self.generate(z, batch_size)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1)


@keras.saving.register_keras_serializable(package="coursekit")
class AdversarialAutoencoder(_AdversarialModel):
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
    as a one-hot label, and the prior is told y: ``fit([x, y])``. Encoder and decoder never see it,
    yet each label finds its own part of the prior.

    Args:
        encoder: built Keras model from x to codes h.
        decoder: built Keras model from h to an output of the shape of x: logits, that is without a
            sigmoid, or with `variance` the mean image.
        discriminator: built Keras model from h, or [h, y], to one logit (1,).
        prior: sampler, ``prior(n, seed)`` or in the conditional form ``prior(n, seed, y)``, that
            gives n codes as a tensor, drawn by `keras.random` with that seed; see `priors`. To be
            saved it must be registered (`keras.saving.register_keras_serializable`).
        variance: None for Bernoulli pixels, x in [0, 1]; a number above 0 for Gaussian pixels.
        beta: the weight of J_G in the loss, from 0.
        loss, real_label, gradient_penalty, seed: as for `GAN`.

    Raises:
        TypeError, ValueError, ArithmeticError: as `GAN`, or `prior` gives no codes of the
            encoder's shape.
    """

    parts = ("encoder", "decoder", "discriminator", "prior")

    def __init__(
        self,
        encoder,
        decoder,
        discriminator,
        prior,
        *,
        variance=None,
        beta=1.0,
        loss="non-saturating",
        real_label=1.0,
        gradient_penalty=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            loss=loss, real_label=real_label, gradient_penalty=gradient_penalty, seed=seed, **kwargs
        )
        _require_halves(encoder, decoder)
        h = encoder.output_shape[1:]
        self.encoder = encoder
        self.decoder = decoder
        self.discriminator = discriminator
        self.prior = prior
        self.variance = None if variance is None else _validate.real("variance", variance, above=0)
        self.beta = _validate.real("beta", beta, at_least=0)
        self._means["reconstruction"] = keras.metrics.Mean("reconstruction")
        y_shapes = _shapes(getattr(discriminator, "inputs", None) or ())[1:]
        self._require_judge(("encoder gives codes of shape", h), y_shapes)
        if not callable(prior):
            raise TypeError(
                f"prior must be a function of n and a seed, got {type(prior).__name__}."
            )
        drawn = prior(
            2,
            keras.random.SeedGenerator(0),
            *(np.eye(2, *shape, dtype="float32") for shape in y_shapes),
        )
        _require_meeting("prior gives codes of shape", tuple(drawn.shape), "wanted is", (2, *h))
        inputs = [encoder.input_shape, *((None, *shape) for shape in y_shapes)]
        self.build(_joined(*inputs))

    @property
    def conditional(self):
        """Whether the discriminator and the prior are told y."""
        return len(self.discriminator.inputs) == 2

    def call(self, inputs):
        # For `predict`, which needs no y, so that [x] and [x, y] both do.
        x = inputs[0] if isinstance(inputs, (list, tuple)) else inputs
        output = self.decoder(self.encoder(x, training=False), training=False)
        output = ops.cast(output, "float32")
        return ops.sigmoid(output) if self.variance is None else output

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """reconstruction + beta * J_G + J_D, averaged over the batch: what `fit` minimizes."""
        self._require_no_targets(y, sample_weight)
        x, *y = self._split(x, 1 + self.conditional)
        h = self.encoder(x, training=training)
        output = self.decoder(h, training=training)
        if self.variance is None:
            reconstruction = -bernoulli_log_likelihood(x, output)
        else:
            reconstruction = -gaussian_log_likelihood(x, output, self.variance)
        self._means["reconstruction"].update_state(reconstruction)
        drawn = self.prior(ops.shape(x)[0], self.seed_generator, *y)
        J_D, J_G = self._play(drawn, h, *y, training=training)
        penalties = sum(map(ops.sum, self.losses))
        return ops.mean(reconstruction) + self.beta * J_G + J_D + penalties

    def encode(self, x, batch_size=1000):
        """Codes h = f(x) of a batch of images, as a NumPy array.

        Raises:
            ValueError: `x` has another shape than the encoder takes, or is not finite.
        """
        return _predict(self.encoder, batch_size, x=x).astype("float32")

    def decode(self, h, batch_size=1000):
        """Mean images of p(x | h) for a batch of codes, a NumPy array; raises as `encode`."""
        output = _predict(self.decoder, batch_size, h=h).astype("float32")
        return expit(output) if self.variance is None else output

    def reconstruct(self, x, batch_size=1000):
        """Mean images of p(x | h) at h = f(x), a NumPy array; raises as `encode`."""
        return self.decode(self.encode(x, batch_size), batch_size)

    def sample(self, n, y=None, *, seed=0, batch_size=1000):
        """Mean images of `n` codes drawn from the prior, in the conditional form for the rows of y.

        Raises:
            ValueError: `y` is missing in the conditional form, given in the other, or not n rows.
        """
        n = _validate.whole("n", n)
        if (y is not None) != self.conditional:
            raise ValueError(
                "y must be given where the discriminator takes it as a second input, and only "
                "there."
            )
        if y is not None and len(y) != n:
            raise ValueError(f"y must have n = {n} rows, got {len(y)}.")
        drawn = self.prior(n, keras.random.SeedGenerator(seed), *([] if y is None else [y]))
        return self.decode(ops.convert_to_numpy(drawn), batch_size)

    def compute_output_shape(self, input_shape):
        x_shape = input_shape[0] if self.conditional else input_shape
        return (x_shape[0], *self.decoder.output_shape[1:])

    def get_config(self):
        kind = self.prior if hasattr(self.prior, "__name__") else type(self.prior)
        if keras.saving.get_registered_name(kind) == kind.__name__:
            raise ValueError(
                f"prior {kind.__name__} is not registered, so it could not be loaded again: write "
                "@keras.saving.register_keras_serializable() above its definition."
            )
        return {**super().get_config(), "variance": self.variance, "beta": self.beta}


def _variance(values):
    """Of each entry over the batch, summed over the entries: how much one sample differs."""
    return ops.sum(ops.var(ops.cast(values, "float32"), axis=0))


def _differs_in_training(layer):
    """Whether a layer without parts computes something else in training; it leaves no trace."""
    parts = list(layer._flatten_layers(include_self=False))
    if parts or "training" not in inspect.signature(layer.call).parameters:
        return False
    rng = np.random.default_rng(0)
    x = keras.tree.map_structure(
        lambda end: ops.convert_to_tensor(rng.normal(size=[n or 4 for n in end.shape])), layer.input
    )
    with keras.StatelessScope():
        one, other = (ops.convert_to_numpy(layer(x, training=mode)) for mode in (True, False))
    return not np.array_equal(one, other)
