"""Autoencoders inside one another, trained one after another."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
from numpy.typing import ArrayLike

from coursekit import _validate
from coursekit.layers import TiedDense
from coursekit.models import _base
from coursekit.models.autoencoder import Autoencoder

__all__ = ["StackedAutoencoder"]


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
        code_activation, output_activation: of the last code, and of x_hat.
        kernel_initializer: of every W.

    Other `units` raise a TypeError or ValueError.
    """

    parts = ()
    settings = ("units", "activation", "code_activation", "output_activation", "kernel_initializer")

    def __init__(
        self, units: Sequence[int], *, activation: Any = "gelu", code_activation: Any = None,
        output_activation: Any = None, kernel_initializer: Any = "glorot_uniform", **kwargs: Any,
    ):  # fmt: skip
        if isinstance(units, str) or not isinstance(units, Iterable):
            raise TypeError(f"units must be a sequence such as (784, 256, 64), got {units!r}.")
        units = [_validate.whole("units", size) for size in units]
        if len(units) < 2:
            raise ValueError(f"units must be at least two, of x and of a code, got {units}.")
        inner = [activation] * (len(units) - 2)
        sizes = zip(units[1:], [*inner, code_activation], [output_activation, *inner], strict=True)
        # One initializer object would draw the same numbers twice; its configuration does not.
        weights = keras.initializers.serialize(keras.initializers.get(kernel_initializer))
        tied = [
            TiedDense(m, to, decoder_activation=back, kernel_initializer=weights, name=f"tied_{k}")
            for k, (m, to, back) in enumerate(sizes, start=1)
        ]
        super().__init__(*_tied_halves(units[0], tied), **kwargs)
        self.units, self.kernel_initializer = tuple(units), weights
        self.activation, self.code_activation, self.output_activation = (
            keras.activations.serialize(keras.activations.get(given))
            for given in (activation, code_activation, output_activation)
        )

    @property
    def tied(self) -> list[TiedDense]:
        """The layers, from the outermost to the innermost."""
        return [layer for layer in self.encoder.layers if isinstance(layer, TiedDense)]

    def autoencoder(self, k: int) -> Autoencoder:
        """The k-th autoencoder, from 1 to the number of codes, which shares the stack's weights.

        Training it trains the stack. Save the stack: saved by itself it would lose its tie. Another
        `k` raises a TypeError or ValueError.
        """
        k = _validate.whole("k", k)
        if k > len(self.tied):
            raise ValueError(f"k must be at most {len(self.tied)}, the number of codes, got {k}.")
        return Autoencoder(*_tied_halves(self.units[k - 1], [self.tied[k - 1]]))

    def pretrain(
        self, x: ArrayLike, optimizer: Any = "adam", *, loss: Any = "mse",
        compile_options: dict | None = None, **fit_options: Any,
    ) -> list[keras.callbacks.History]:  # fmt: skip
        """Train each autoencoder on the codes of the one before; gives what each `fit` returned.

        x are inputs (N, n). Optimizer, loss and `compile_options` are for each `compile`; every
        autoencoder gets an optimizer of its own, made from the configuration. `fit_options`, such
        as epochs, are for each `fit`. Raises a ValueError as `codes`, and for `validation_data`,
        which only the first could be given.
        """
        if "validation_data" in fit_options:
            raise ValueError(
                "validation_data fits the first autoencoder alone: give validation_split."
            )
        settings = keras.optimizers.serialize(keras.optimizers.get(optimizer))
        h, histories = _base.require_inputs(self.encoder, x=x)["x"], []
        for k in range(1, len(self.tied) + 1):
            autoencoder, own = self.autoencoder(k), keras.optimizers.deserialize(settings)
            autoencoder.compile(own, loss=loss, **(compile_options or {}))
            histories.append(autoencoder.fit(h, h, **fit_options))
            if k < len(self.tied):
                h = autoencoder.codes(h)
        return histories

    def classifier(self, classes: int, *, frozen: bool = False) -> keras.Model:
        """A classifier, from x to probabilities, that begins with a copy of the encoder.

        The copy has Dense layers; the stack itself stays as it is. There are `classes`, from
        2. With `frozen` the copy keeps its weights, so that only the last layer is trained; set a
        layer's `trainable` and compile again to change that. Raises a TypeError or ValueError.
        """
        classes = _validate.whole("classes", classes, at_least=2)
        if not isinstance(frozen, bool):
            raise TypeError(f"frozen must be True or False, got {frozen!r}.")
        layers = [
            keras.layers.Dense(tied.units, tied.activation, trainable=not frozen, name=f"code_{k}")
            for k, tied in enumerate(self.tied, start=1)
        ]
        output = keras.layers.Dense(classes, "softmax", name="classes")
        model = keras.Sequential([keras.Input(self.units[:1]), *layers, output], name="classifier")
        for layer, tied in zip(layers, self.tied, strict=True):
            layer.set_weights(tied.get_weights()[:2])
        return model


def _tied_halves(n, tied):
    """Encoder and decoder of n inputs that share these layers, in this order and backwards."""
    x = h = keras.Input((n,))
    for layer in tied:
        h = layer(h)
    code = x_hat = keras.Input((tied[-1].units,))
    for layer in reversed(tied):
        x_hat = layer(x_hat, transpose=True)
    return keras.Model(x, h, name="encoder"), keras.Model(code, x_hat, name="decoder")
