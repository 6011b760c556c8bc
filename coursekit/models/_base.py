"""What the models share: the protocol of codes and images, saving, input that must fit."""

import functools
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from coursekit import _validate
from coursekit.losses import bernoulli_log_likelihood, gaussian_log_likelihood

Condition = ArrayLike | None  # one row of numbers per image, where a network takes them


class Composed(keras.Model):
    """A model of other models, its `parts`, saved and loaded with them as one file.

    `settings` name the constructor's other arguments; `symbol` is the letter of a code.
    """

    parts, settings, symbol = ("encoder", "decoder"), (), "z"

    @property
    def image_decoder(self) -> keras.Model:
        """What `decode` evaluates: one Keras model from z, or [z, y], to images."""
        return self.decoder

    @property
    def conditional(self) -> bool:
        """Whether `fit` takes [x, y], y being a condition of the images or of the codes."""
        return len(getattr(self, "discriminator", self.image_decoder).inputs) == 2

    def decode(self, z: ArrayLike, y: Condition = None, batch_size: int = 1000) -> np.ndarray:
        """Images of a batch of codes, and of conditions `y` where the decoder takes them; float32.

        Raises a ValueError where an array is not finite or has another shape than its network
        takes, or `y` is missing where a network takes it, or given where not.
        """
        return predict(self.image_decoder, batch_size, **{self.symbol: z, "y": y})

    def get_config(self) -> dict:
        write = keras.saving.serialize_keras_object
        own = {part: write(getattr(self, part)) for part in self.parts}
        own |= {name: getattr(self, name) for name in self.settings}
        return super().get_config() | own

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> keras.Model:
        read = keras.saving.deserialize_keras_object
        own = {part: read(config[part], custom_objects=custom_objects) for part in cls.parts}
        return cls(**config | own)


class Encoding(Composed):
    """With an encoder from inputs to codes."""

    def codes(self, x: ArrayLike, y: Condition = None, batch_size: int = 1000) -> np.ndarray:
        """Codes of a batch of inputs, one float32 array; arguments and errors as `decode`."""
        return predict(self.encoder, batch_size, x=x, y=y)

    def reconstruct(self, x: ArrayLike, y: Condition = None, batch_size: int = 1000) -> np.ndarray:
        """Images of the codes of a batch of inputs; arguments and errors as `decode`."""
        return predict(self, batch_size, x=x, y=y)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        x_shape = input_shape[0] if isinstance(input_shape[0], (list, tuple)) else input_shape
        return (x_shape[0], *self.decoder.output_shape[1:])


class Untargeted(Composed):
    """With a loss of its own, `_loss`, of x, or x and y: `fit` takes no targets."""

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None,
        training: bool = True,
    ) -> Any:  # fmt: skip
        """What `fit` minimizes, averaged over the batch; the penalties of the layers are added."""
        if any(given is not None for given in (y, sample_weight, self.loss)):
            raise ValueError(
                f"{self.name} takes no targets, no weights and no loss of yours: call "
                "compile(optimizer) and fit(x), or fit([x, y]) where y is a condition."
            )
        return self._loss(*self._split(x), training=training) + sum(map(ops.sum, self.losses))

    def _split(self, inputs):
        """[x], or in the conditional form [x, y], of what Keras passes on."""
        parts = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        n = len(parts)
        if n != 1 + self.conditional:
            wanted = "x alone" if n > 1 else "[x, y]"
            raise ValueError(f"{self.name} takes {wanted}, got {n} array{'s' * (n > 1)}.")
        return [ops.convert_to_tensor(part) for part in parts]

    def sample(
        self, n: int, y: Condition = None, *, seed: int = 0, batch_size: int = 1000
    ) -> np.ndarray:
        """Images of `n` codes drawn from the prior by `seed`, for `n` rows of y if conditional."""
        return self.decode(*self._draw(_validate.whole("n", n), y, seed), batch_size=batch_size)

    def _draw(self, n, y, seed):
        """Codes drawn from N(0, I), and what the decoder is told beside them."""
        shape = (n, *self.image_decoder.inputs[0].shape[1:])
        return np.random.default_rng(seed).standard_normal(shape, dtype="float32"), y


class Likelihood(Encoding, Untargeted):
    """With p(x | z): the decoder gives Bernoulli logits, or where there is a `variance` means."""

    def _take(self, encoder, decoder, variance, beta):
        self.encoder, self.decoder = encoder, decoder
        self.variance = None if variance is None else _validate.real("variance", variance, above=0)
        self._beta = _validate.real("beta", beta, at_least=0)

    @property
    def beta(self) -> float:
        """A weight in the loss; for another one, make a new model of the same parts."""
        return self._beta

    @functools.cached_property  # and not tracked: Keras must not count the decoder's weights twice
    def image_decoder(self) -> keras.Model:
        """What `decode` evaluates: the decoder, with a sigmoid added where it gives logits."""
        if self.variance is not None:
            return self.decoder
        z = joined(*self.decoder.inputs)
        sigmoid = keras.layers.Activation("sigmoid", dtype="float32", name="image")
        return keras.Model(z, sigmoid(self.decoder(z)), name="image_decoder")

    def log_likelihood(self, x: Any, output: Any) -> Any:
        """log p(x | z) of each image, a tensor (batch,), from the decoder's output at z."""
        if self.variance is None:
            return bernoulli_log_likelihood(x, output)
        return gaussian_log_likelihood(x, output, self.variance)


def require_halves(encoder, decoder, x="inputs", *, heads=1, conditional=False):
    """Raise unless they are an encoder and a decoder whose shapes meet, x to code and code to x."""
    require_ends("encoder", encoder, inputs=1 + conditional, outputs=heads)
    require_ends("decoder", decoder, inputs=1 + conditional, outputs=1)
    (encoder_x, *encoder_y), (code, *_) = shapes(encoder.inputs), shapes(encoder.outputs)
    (decoder_code, *decoder_y), (x_hat,) = shapes(decoder.inputs), shapes(decoder.outputs)
    require_meeting("encoder gives codes of shape", code, "decoder takes", decoder_code)
    require_meeting(f"encoder takes {x} of shape", encoder_x, "decoder gives", x_hat)
    if conditional:
        require_meeting("encoder takes y of shape", *encoder_y, "decoder takes", *decoder_y)


def require_ends(name, half, *, inputs, outputs):
    """Raise unless `half` is a built Keras model with so many inputs and outputs."""
    _validate.built_model(name, half)
    got = [len(getattr(half, side, None) or ()) for side in ("inputs", "outputs")]
    if got != [inputs, outputs]:
        words = {1: "one {}", 2: "two {}s"}
        wanted = f"{words[inputs].format('input')} and {words[outputs].format('output')}"
        kind = "Sequential or functional model"
        raise ValueError(f"{name} must be a {kind} with {wanted}, got {got[0]} and {got[1]}.")


def require_meeting(one, shape, other, other_shape):
    if shape != other_shape:
        raise ValueError(f"{one} {shape}, but {other} {other_shape}: they must be equal.")


def shapes(tensors):
    return [tensor.shape[1:] for tensor in tensors]


def joined(*parts):
    """What a model with one input, or with several, is called on."""
    return parts[0] if len(parts) == 1 else list(parts)


def predict(model, batch_size, **arrays):
    """`model.predict`, in float32, of named arrays (None: not given) that fit it, or raise."""
    batch_size = _validate.whole("batch_size", batch_size)
    given = require_inputs(getattr(model, "encoder", model), **arrays)
    output = model.predict(joined(*given.values()), batch_size=batch_size, verbose=0)
    return keras.tree.map_structure(lambda array: array.astype("float32"), output)


def require_inputs(model, **arrays):
    """The named arrays (None: not given), as NumPy's, if they fit the model's inputs, or raise."""
    if (arrays.get("y") is None) == (len(model.inputs) == 2):
        raise ValueError(
            "y must be given where encoder and decoder take it as a second input, and only there."
        )
    given = {k: _validate.finite_array(k, v) for k, v in arrays.items() if v is not None}
    for (name, rows), wanted in zip(given.items(), shapes(model.inputs), strict=True):
        sizes = zip(wanted, rows.shape[1:], strict=False)
        if rows.ndim != 1 + len(wanted) or any(size not in (None, got) for size, got in sizes):
            fit = ", ".join("any" if size is None else str(size) for size in wanted)
            raise ValueError(f"{name} must be a batch of shape (n, {fit}), got shape {rows.shape}.")
    counts = [str(len(rows)) for rows in given.values()]
    if len(set(counts)) > 1:
        names, got = " and ".join(given), " and ".join(counts)
        raise ValueError(f"{names} must have equally many rows, got {got}.")
    return given
