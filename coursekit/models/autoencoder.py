"""An encoder and a decoder as one model."""

from typing import Any

import keras

from coursekit.models import _base

__all__ = ["Autoencoder"]


@keras.saving.register_keras_serializable(package="coursekit")
class Autoencoder(_base.Encoding):
    """An encoder f and a decoder g as one model: x_hat = g(f(x)). Lecture 02.

    Train it with the input as its own target, ``fit(x, x)``. Both halves stay reachable as
    `encoder` and `decoder`, and the whole is saved and loaded as one ``.keras`` file.

    They are built Keras models with one input and one output, from inputs x to codes h and from
    codes to reconstructions of the inputs' shape; others raise a TypeError or ValueError.
    """

    symbol = "h"
    chain = ("encoder", "decoder")  # what `call` calls in turn: see coursekit._graph

    def __init__(self, encoder: keras.Model, decoder: keras.Model, **kwargs: Any):
        super().__init__(**kwargs)
        _base.require_halves(encoder, decoder)
        self.encoder, self.decoder = encoder, decoder
        self.build(encoder.input_shape)

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.decoder(self.encoder(x, training=training), training=training)
