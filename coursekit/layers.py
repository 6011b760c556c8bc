"""Layers that the lectures share."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="coursekit")
class TiedDense(keras.layers.Layer):
    """A dense layer and its mirror image, with one kernel: W_dec = W^T. Lecture 04.

    One layer that a model uses twice::

        tied = TiedDense(300, "sigmoid")
        h = tied(x)                        # activation(x W + b)
        x_hat = tied(h, transpose=True)    # decoder_activation(h W^T + c)

    Both calls share the layer's weights W (n, units), b (units,) and c (n,), in a saved and loaded
    model too. Inputs are (..., n), codes (..., units). Make both calls in one functional model:
    Keras loses the tie when it loads two models that share a layer.

    Args:
        units: m, the number of code units, from 1.
        activation: of the code; any that `keras.layers.Dense` takes.
        decoder_activation: of the reconstruction.
        kernel_initializer, kernel_regularizer: as for `keras.layers.Dense`.

    Raises:
        TypeError, ValueError: `units` is not a whole number, or is below 1.
        ValueError: when called on another number of features than W has, or first with
            ``transpose=True`` (the size of x, and with it W, is then unknown).
    """

    def __init__(
        self,
        units,
        activation=None,
        *,
        decoder_activation=None,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(units, bool) or not isinstance(units, int):
            raise TypeError(f"units must be a whole number, got {units!r}.")
        if units < 1:
            raise ValueError(f"units must be at least 1, got {units}.")
        self.units = units
        self.activation = keras.activations.get(activation)
        self.decoder_activation = keras.activations.get(decoder_activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True

    def build(self, input_shape):
        n = input_shape[-1]
        if n is None:
            raise ValueError(
                f"The last axis of the input of {self.name} must be known, got {input_shape}."
            )
        self.kernel = self.add_weight(
            shape=(n, self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        self.decoder_bias = self.add_weight(shape=(n,), initializer="zeros", name="decoder_bias")

    def __call__(self, inputs, transpose=False, **kwargs):
        # Before Keras builds the layer: it would take the size of the codes for that of x.
        self._refuse_codes_first(transpose)
        return super().__call__(inputs, transpose=transpose, **kwargs)

    def call(self, inputs, transpose=False):
        self.compute_output_shape(inputs.shape, transpose=transpose)
        if transpose:
            output = ops.matmul(inputs, ops.transpose(self.kernel)) + self.decoder_bias
            return self.decoder_activation(output)
        return self.activation(ops.matmul(inputs, self.kernel) + self.bias)

    def compute_output_shape(self, input_shape, transpose=False):
        """Shape of the codes, or with ``transpose=True`` of the reconstructions."""
        self._refuse_codes_first(transpose)
        if not self.built:
            return (*input_shape[:-1], self.units)
        n, m = self.kernel.shape
        takes, gives = (m, n) if transpose else (n, m)
        if input_shape[-1] != takes:
            raise ValueError(
                f"{self.name} takes {'codes' if transpose else 'inputs'} of shape (..., {takes})"
                f"{' with transpose=True' if transpose else ''}, got {tuple(input_shape)}."
            )
        return (*input_shape[:-1], gives)

    def compute_output_spec(self, inputs, transpose=False):
        # Keras would ask compute_output_shape without `transpose`.
        shape = self.compute_output_shape(inputs.shape, transpose=transpose)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def _refuse_codes_first(self, transpose):
        if transpose and not self.built:
            raise ValueError(
                f"Call {self.name} on inputs x before calling it on codes with transpose=True: "
                "the number of features of x decides the kernel's shape."
            )

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "decoder_activation": keras.activations.serialize(self.decoder_activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
