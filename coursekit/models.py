"""Models of the course; each is an ordinary Keras model with `compile`, `fit` and `save`."""

import inspect
import math
import time
from collections.abc import Iterable

import keras
import numpy as np
from keras import ops
from scipy.special import expit

from coursekit import _validate
from coursekit.datasets._files import load_arrays
from coursekit.layers import GaussianSample, TiedDense
from coursekit.losses import (
    bernoulli_log_likelihood,
    call_frozen,
    discriminator_loss,
    gaussian_kl,
    gaussian_log_likelihood,
    generator_loss,
)


class _Composed(keras.Model):
    """A model of other models, its `parts`, saved and loaded with them as one file."""

    parts = ("encoder", "decoder")

    def get_config(self):
        own = {
            part: keras.saving.serialize_keras_object(getattr(self, part)) for part in self.parts
        }
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        own = {
            part: keras.saving.deserialize_keras_object(config[part], custom_objects=custom_objects)
            for part in cls.parts
        }
        return cls(**{**config, **own})

    def _require_no_targets(self, y, sample_weight):
        if any(given is not None for given in (y, sample_weight, self.loss)):
            raise ValueError(
                f"{self.name} takes no targets, no weights and no loss of yours: call "
                "compile(optimizer) and fit(x), or fit([x, y]) where y is a condition."
            )

    def _split(self, inputs, count):
        """[x], or with a `count` of 2 [x, y], of what Keras passes on."""
        parts = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        if len(parts) != count:
            wanted = "x alone" if len(parts) > 1 else "[x, y]"
            raise ValueError(
                f"{self.name} takes {wanted}, got {len(parts)} array{'s' * (len(parts) > 1)}."
            )
        return [ops.convert_to_tensor(part) for part in parts]


@keras.saving.register_keras_serializable(package="coursekit")
class Autoencoder(_Composed):
    """An encoder f and a decoder g as one model: x_hat = g(f(x)). Lecture 02.

    Train it with the input as its own target, ``fit(x, x)``. Both halves stay reachable as
    `encoder` and `decoder`, and the whole is saved and loaded as one ``.keras`` file.

    Args:
        encoder: built Keras model from inputs x to codes h.
        decoder: built Keras model from codes h to reconstructions of the inputs' shape.

    Raises:
        TypeError: one of the two is not a Keras model.
        ValueError: one has several inputs or outputs, or is not built, or the shapes do not meet.
    """

    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        _require_halves(encoder, decoder)
        self.encoder = encoder
        self.decoder = decoder
        self.build(encoder.input_shape)

    def call(self, x, training=None):
        return self.decoder(self.encoder(x, training=training), training=training)

    def encode(self, x, batch_size=1000):
        """Codes h = f(x) of a batch of inputs, as a NumPy array.

        Raises:
            ValueError: `x` has another shape than the encoder takes, or is not finite.
        """
        return _predict(self.encoder, batch_size, x=x)

    def decode(self, h, batch_size=1000):
        """Reconstructions g(h) of a batch of codes, as a NumPy array.

        Raises:
            ValueError: `h` has another shape than the decoder takes, or is not finite.
        """
        return _predict(self.decoder, batch_size, h=h)

    def reconstruct(self, x, batch_size=1000):
        """Reconstructions g(f(x)) of a batch of inputs, as a NumPy array; raises as `encode`."""
        return _predict(self, batch_size, x=x)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:1], *self.decoder.output_shape[1:])


@keras.saving.register_keras_serializable(package="coursekit")
class StackedAutoencoder(Autoencoder):
    """Dense autoencoders inside one another, with tied weights: W_dec of each is W^T. Lecture 13.

    For units (n, m_1, ..., m_L): x -> h_1 -> ... -> h_L -> ... -> h_1_hat -> x_hat. The k-th
    autoencoder, h_(k-1) -> h_k -> h_(k-1)_hat, is trained by itself on the codes of the one before
    (`pretrain`, greedy layer-wise training: Bengio et al. 2007), then the stack as a whole::

        stack = StackedAutoencoder((784, 256, 64))
        stack.pretrain(x, "adam", epochs=5)
        stack.compile("adam", loss="mse")
        stack.fit(x, x)

    Args:
        units: sizes of x and of each code, at least two whole numbers from 1.
        activation: of every code but the last, and of its reconstruction.
        code_activation: of the last code.
        output_activation: of x_hat.
        kernel_initializer: of every W.

    Raises:
        TypeError, ValueError: `units` is no such sequence; otherwise as `Autoencoder`.
    """

    parts = ()

    def __init__(
        self,
        units,
        *,
        activation="gelu",
        code_activation=None,
        output_activation=None,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        if isinstance(units, str) or not isinstance(units, Iterable):
            raise TypeError(f"units must be a sequence such as (784, 256, 64), got {units!r}.")
        units = [_validate.whole("units", size) for size in units]
        if len(units) < 2:
            raise ValueError(f"units must be at least two, of x and of a code, got {units}.")
        self._options = {
            "activation": keras.activations.serialize(keras.activations.get(activation)),
            "code_activation": keras.activations.serialize(keras.activations.get(code_activation)),
            "output_activation": keras.activations.serialize(
                keras.activations.get(output_activation)
            ),
            "kernel_initializer": keras.initializers.serialize(
                keras.initializers.get(kernel_initializer)
            ),
        }
        inner = [activation] * (len(units) - 2)
        tied = [
            # One initializer object would draw the same numbers twice; its configuration does not.
            TiedDense(
                size,
                to,
                decoder_activation=back,
                kernel_initializer=keras.initializers.get(self._options["kernel_initializer"]),
                name=f"tied_{k}",
            )
            for k, (size, to, back) in enumerate(
                zip(units[1:], [*inner, code_activation], [output_activation, *inner], strict=True),
                start=1,
            )
        ]
        super().__init__(*_tied_halves(units[0], tied), **kwargs)
        self.units = tuple(units)

    @property
    def tied(self):
        """The layers (`TiedDense`), from the outermost to the innermost."""
        return [layer for layer in self.encoder.layers if isinstance(layer, TiedDense)]

    def autoencoder(self, k):
        """The k-th autoencoder, from 1 to the number of codes, as an `Autoencoder`.

        It shares its weights with the stack: training it trains the stack. (Save the stack; saved
        by itself it would lose its tie.)

        Raises:
            TypeError, ValueError: there is no k-th autoencoder.
        """
        k = _validate.whole("k", k)
        if k > len(self.tied):
            raise ValueError(f"k must be at most {len(self.tied)}, the number of codes, got {k}.")
        return Autoencoder(*_tied_halves(self.units[k - 1], [self.tied[k - 1]]))

    def pretrain(self, x, optimizer="adam", *, loss="mse", compile_options=None, **fit_options):
        """Train the autoencoders one after another, each on the codes of the one before.

        Args:
            x: training inputs (N, n).
            optimizer: anything that `compile` takes; each autoencoder gets one of its own, made
                from its configuration.
            loss: anything that `compile` takes.
            compile_options: dict of further arguments for `compile`, or None.
            **fit_options: further arguments for each `fit`, such as epochs and batch_size.

        Returns:
            List of what each `fit` returned.

        Raises:
            ValueError: as `encode`; or `validation_data`, which only the first could be given.
        """
        if "validation_data" in fit_options:
            raise ValueError(
                "validation_data fits the first autoencoder alone: give validation_split."
            )
        settings = keras.optimizers.serialize(keras.optimizers.get(optimizer))
        h, histories = _require_inputs(self.encoder, x=x)["x"], []
        for k in range(1, len(self.tied) + 1):
            autoencoder = self.autoencoder(k)
            autoencoder.compile(
                keras.optimizers.deserialize(settings), loss=loss, **(compile_options or {})
            )
            histories.append(autoencoder.fit(h, h, **fit_options))
            if k < len(self.tied):
                h = autoencoder.encode(h)
        return histories

    def classifier(self, classes, *, frozen=False):
        """A classifier that begins with a copy of the encoder; the stack itself stays as it is.

        Args:
            classes: number of classes, from 2.
            frozen: whether the copy keeps its weights, so that only the last layer is trained. Set
                a layer's `trainable` and compile again to change that.

        Returns:
            Keras model, x -> probabilities (n, classes): the encoder as Dense layers, and a new
            one with softmax.

        Raises:
            TypeError, ValueError: `classes` is no whole number from 2, `frozen` is not a bool.
        """
        classes = _validate.whole("classes", classes, least=2)
        if not isinstance(frozen, bool):
            raise TypeError(f"frozen must be True or False, got {frozen!r}.")
        layers = [
            keras.layers.Dense(tied.units, tied.activation, trainable=not frozen, name=f"code_{k}")
            for k, tied in enumerate(self.tied, start=1)
        ]
        output = keras.layers.Dense(classes, "softmax", name="classes")
        model = keras.Sequential([keras.Input(self.units[:1]), *layers, output], name="classifier")
        for layer, tied in zip(layers, self.tied, strict=True):
            layer.set_weights([ops.convert_to_numpy(w) for w in (tied.kernel, tied.bias)])
        return model

    def get_config(self):
        return {**super().get_config(), "units": self.units, **self._options}


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
        self._beta = _validate.real("beta", beta, least=0)
        self.seed = seed
        self.sampler = GaussianSample(seed=seed, dtype="float32")
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


class _AdversarialModel(_Composed):
    """What both adversarial models share: a discriminator, its game with a generator, `fit`."""

    def __init__(self, *, loss, real_label, gradient_penalty, seed, **kwargs):
        super().__init__(**kwargs)
        self.game = _validate.one_of("loss", loss, ("non-saturating", "minimax"))
        self.real_label = _validate.real("real_label", real_label, above=0.5, most=1)
        self.gradient_penalty = _validate.real("gradient_penalty", gradient_penalty, least=0)
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
        return super().fit(x, callbacks=[*given, _StopAtNaN()], **options)

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
        self.beta = _validate.real("beta", beta, least=0)
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


class _StopAtNaN(keras.callbacks.Callback):
    """Raises, with a sentence, when a loss of an adversarial model is no longer finite."""

    def on_train_begin(self, logs=None):
        self._epoch, self._looked = 0, time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        # To look is to wait for an accelerator, and a NaN stays in the epoch's mean.
        if time.monotonic() - self._looked > 0.2:
            self._looked = time.monotonic()
            self._look(logs)

    def on_epoch_end(self, epoch, logs=None):
        self._look(logs)

    def _look(self, logs):
        for name in ("reconstruction", "discriminator_loss", "generator_loss", "loss"):
            value = float((logs or {}).get(name, 0))
            if not math.isfinite(value):
                raise ArithmeticError(
                    f"Training of {self.model.name} stopped in epoch {self._epoch + 1}: {name} is "
                    f"{value}. Look at the data (finite, in [0, 1]?), then try a lower learning "
                    "rate."
                )


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


def digit_classifier():
    """A small convolutional network that reads digits, already trained. Lectures 11 and 12.

    Its weights ship with the course (``benchmarks/train_digit_classifier.py`` made them); it reads
    99.4 % of the test images right. Metrics look through its eyes: what `Inception` is to
    photographs, this is to digits.

    Returns:
        Keras model from images (n, 28, 28, 1) in [0, 1] to [features (n, 64), logits (n, 10)]; it
        is not trainable.

    Raises:
        DataFileError: the file of weights is missing or is not the published one.
    """
    network = _digit_network()
    # npz files keep the order in which arrays were written.
    network.set_weights(list(load_arrays("digit_classifier.npz").values()))
    network.trainable = False
    return network


def _digit_network():
    layers = keras.layers
    x = keras.Input((28, 28, 1))
    h = layers.Conv2D(16, 3, activation="relu", name="convolution_1")(x)
    h = layers.Conv2D(32, 3, activation="relu", name="convolution_2")(h)
    h = layers.MaxPooling2D()(h)
    h = layers.Conv2D(48, 3, activation="relu", name="convolution_3")(h)
    h = layers.MaxPooling2D()(h)
    features = layers.Dense(64, "relu", name="features")(layers.Flatten()(h))
    return keras.Model(x, [features, layers.Dense(10, name="logits")(features)])


def _tied_halves(n, tied):
    """Encoder and decoder of n inputs that share these layers, in this order and backwards."""
    x = h = keras.Input((n,))
    for layer in tied:
        h = layer(h)
    code = x_hat = keras.Input((tied[-1].units,))
    for layer in reversed(tied):
        x_hat = layer(x_hat, transpose=True)
    return keras.Model(x, h, name="encoder"), keras.Model(code, x_hat, name="decoder")


def _require_halves(encoder, decoder):
    """Raise unless they are an encoder and a decoder whose shapes meet, x to h and h to x."""
    _require_ends("encoder", encoder, inputs=1, outputs=1)
    _require_ends("decoder", decoder, inputs=1, outputs=1)
    h, decoder_h = encoder.output_shape[1:], decoder.input_shape[1:]
    _require_meeting("encoder gives codes of shape", h, "decoder takes", decoder_h)
    x, x_hat = encoder.input_shape[1:], decoder.output_shape[1:]
    _require_meeting("encoder takes inputs of shape", x, "decoder gives", x_hat)


def _require_ends(name, half, *, inputs, outputs):
    """Raise unless `half` is a built Keras model with so many inputs and outputs."""
    if not isinstance(half, keras.Model):
        raise TypeError(f"{name} must be a Keras model, got {type(half).__name__}.")
    if not half.built:
        raise ValueError(f"{name} must be built: begin it with keras.Input(shape).")
    ends = [len(getattr(half, side, None) or ()) for side in ("inputs", "outputs")]
    if ends != [inputs, outputs]:
        wanted = " and ".join(
            f"{('one', 'two')[count - 1]} {side}{'s' * (count > 1)}"
            for count, side in ((inputs, "input"), (outputs, "output"))
        )
        raise ValueError(
            f"{name} must be a Sequential or functional model with {wanted}, got {ends[0]} and "
            f"{ends[1]}."
        )


def _require_meeting(one, shape, other, other_shape):
    if shape != other_shape:
        raise ValueError(f"{one} {shape}, but {other} {other_shape}: they must be equal.")


def _shapes(tensors):
    return [tensor.shape[1:] for tensor in tensors]


def _joined(*parts):
    """What a model with one input, or with several, is called on."""
    return parts[0] if len(parts) == 1 else list(parts)


def _predict(model, batch_size, **arrays):
    """`model.predict` on named arrays (None: not given) that fit its inputs, or raise."""
    batch_size = _validate.whole("batch_size", batch_size)
    given = _require_inputs(model.encoder if isinstance(model, Autoencoder) else model, **arrays)
    return model.predict(_joined(*given.values()), batch_size=batch_size, verbose=0)


def _require_inputs(model, **arrays):
    """The named arrays (None: not given), as NumPy's, if they fit the model's inputs, or raise."""
    inputs = model.inputs
    if (arrays.get("y") is None) == (len(inputs) == 2):
        raise ValueError(
            "y must be given where encoder and decoder take it as a second input, and only there."
        )
    given = {
        name: _validate.finite_array(name, value)
        for name, value in arrays.items()
        if value is not None
    }
    for (name, array), wanted in zip(
        given.items(), [tensor.shape for tensor in inputs], strict=True
    ):
        sizes = zip(wanted[1:], array.shape[1:], strict=False)
        if array.ndim != len(wanted) or any(size not in (None, got) for size, got in sizes):
            expected = ", ".join("any" if size is None else str(size) for size in wanted[1:])
            raise ValueError(
                f"{name} must be a batch of shape (n, {expected}), got shape {array.shape}."
            )
    if len({len(array) for array in given.values()}) > 1:
        rows = " and ".join(str(len(array)) for array in given.values())
        raise ValueError(f"{' and '.join(given)} must have equally many rows, got {rows}.")
    return given
