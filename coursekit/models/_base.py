"""What the models share: parts that are saved as one, halves that must meet, checked prediction."""

import keras
from keras import ops

from coursekit import _validate


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
    given = _require_inputs(getattr(model, "encoder", model), **arrays)
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
