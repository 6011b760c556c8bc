"""An encoder and a decoder as one model."""

import keras

from coursekit.models._base import _Composed, _predict, _require_halves


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

    chain = ("encoder", "decoder")  # what `call` calls in turn: see coursekit._graph

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
