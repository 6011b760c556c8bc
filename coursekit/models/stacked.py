"""Autoencoders inside one another, trained one after another."""

from collections.abc import Iterable

import keras
from keras import ops

from coursekit import _validate
from coursekit.layers import TiedDense
from coursekit.models._base import _require_inputs
from coursekit.models.autoencoder import Autoencoder


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
            layer.set_weights([ops.convert_to_numpy(w) for w in (tied.kernel, tied.bias)])
        return model

    def get_config(self):
        return {**super().get_config(), "units": self.units, **self._options}


def _tied_halves(n, tied):
    """Encoder and decoder of n inputs that share these layers, in this order and backwards."""
    x = h = keras.Input((n,))
    for layer in tied:
        h = layer(h)
    code = x_hat = keras.Input((tied[-1].units,))
    for layer in reversed(tied):
        x_hat = layer(x_hat, transpose=True)
    return keras.Model(x, h, name="encoder"), keras.Model(code, x_hat, name="decoder")
