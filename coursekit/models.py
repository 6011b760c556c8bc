"""Models of the course; each is an ordinary Keras model with `compile`, `fit` and `save`."""

import keras

from coursekit import _validate


@keras.saving.register_keras_serializable(package="coursekit")
class Autoencoder(keras.Model):
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
        for name, part in (("encoder", encoder), ("decoder", decoder)):
            if not isinstance(part, keras.Model):
                raise TypeError(f"{name} must be a Keras model, got {type(part).__name__}.")
            if not part.built:
                raise ValueError(f"{name} must be built: begin it with keras.Input(shape).")
            ends = [len(getattr(part, side, None) or ()) for side in ("inputs", "outputs")]
            if ends != [1, 1]:
                raise ValueError(
                    f"{name} must be a Sequential or functional model with one input and one "
                    f"output, got {ends[0]} and {ends[1]}."
                )
        if encoder.output_shape[1:] != decoder.input_shape[1:]:
            raise ValueError(
                f"encoder gives codes of shape {encoder.output_shape[1:]}, but decoder takes "
                f"{decoder.input_shape[1:]}: they must be equal."
            )
        if encoder.input_shape[1:] != decoder.output_shape[1:]:
            raise ValueError(
                f"encoder takes inputs of shape {encoder.input_shape[1:]}, but decoder gives "
                f"{decoder.output_shape[1:]}: they must be equal."
            )
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
        return _apply(self.encoder, "x", x, batch_size)

    def decode(self, h, batch_size=1000):
        """Reconstructions g(h) of a batch of codes, as a NumPy array.

        Raises:
            ValueError: `h` has another shape than the decoder takes, or is not finite.
        """
        return _apply(self.decoder, "h", h, batch_size)

    def reconstruct(self, x, batch_size=1000):
        """Reconstructions g(f(x)) of a batch of inputs, as a NumPy array; raises as `encode`."""
        return _apply(self, "x", x, batch_size)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:1], *self.decoder.output_shape[1:])

    def get_config(self):
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for part in ("encoder", "decoder"):
            config[part] = keras.saving.deserialize_keras_object(
                config[part], custom_objects=custom_objects
            )
        return cls(**config)


def _apply(model, name, value, batch_size):
    array = _validate.finite_array(name, value)
    wanted = tuple(
        model.encoder.input_shape if isinstance(model, Autoencoder) else model.input_shape
    )
    fits = all(
        size in (None, given) for size, given in zip(wanted[1:], array.shape[1:], strict=False)
    )
    if array.ndim != len(wanted) or not fits:
        expected = ", ".join("any" if size is None else str(size) for size in wanted[1:])
        raise ValueError(
            f"{name} must be a batch of shape (n, {expected}), got shape {array.shape}."
        )
    return model.predict(array, batch_size=batch_size, verbose=0)
