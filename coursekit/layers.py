"""Layers that the lectures share."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from coursekit import _validate

__all__ = [
    "GaussianCorruption",
    "MaskingCorruption",
    "SaltAndPepperCorruption",
    "Sampling",
    "TiedDense",
]


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
        activation, decoder_activation: of the code, and of the reconstruction.
        kernel_initializer, kernel_regularizer: all of them as for `keras.layers.Dense`.

    Other `units` raise a TypeError or ValueError; so does a call on another number of features than
    W has, or a first one with ``transpose=True`` (the size of x, and with it W, is then unknown).
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        *,
        decoder_activation: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = _validate.whole("units", units)
        self.activation = keras.activations.get(activation)
        self.decoder_activation = keras.activations.get(decoder_activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        n = input_shape[-1]
        if n is None:
            raise ValueError(
                f"The last axis of the input of {self.name} must be known, got {input_shape}."
            )
        how = {"initializer": self.kernel_initializer, "regularizer": self.kernel_regularizer}
        self.kernel = self.add_weight(shape=(n, self.units), name="kernel", **how)
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        self.decoder_bias = self.add_weight(shape=(n,), initializer="zeros", name="decoder_bias")

    def __call__(self, inputs: ArrayLike, transpose: bool = False, **kwargs: Any) -> Any:
        # Before Keras builds the layer: it would take the size of the codes for that of x.
        self._refuse_codes_first(transpose)
        return super().__call__(inputs, transpose=transpose, **kwargs)

    def call(self, inputs: Any, transpose: bool = False) -> Any:
        self.compute_output_shape(inputs.shape, transpose=transpose)
        if transpose:
            output = ops.matmul(inputs, ops.transpose(self.kernel)) + self.decoder_bias
            return self.decoder_activation(output)
        return self.activation(ops.matmul(inputs, self.kernel) + self.bias)

    def compute_output_shape(self, input_shape: tuple, transpose: bool = False) -> tuple:
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

    def compute_output_spec(self, inputs: Any, transpose: bool = False) -> keras.KerasTensor:
        # Keras would ask compute_output_shape without `transpose`.
        shape = self.compute_output_shape(inputs.shape, transpose=transpose)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def _refuse_codes_first(self, transpose):
        if transpose and not self.built:
            raise ValueError(
                f"Call {self.name} on inputs x before calling it on codes with transpose=True: "
                "the number of features of x decides the kernel's shape."
            )

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "decoder_activation": keras.activations.serialize(self.decoder_activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


class _Corruption(keras.layers.Layer):
    """What the three corruption layers share: x -> x_tilde = `_corrupt(x)` in training only."""

    def __init__(self, strength: float, *, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.strength = _validate.real("strength", strength, at_least=0)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not keras.backend.is_float_dtype(inputs.dtype):
            raise TypeError(
                f"{self.name} takes floating-point inputs in [0, 1], got dtype "
                f"{keras.backend.standardize_dtype(inputs.dtype)}."
            )
        return self._corrupt(inputs) if training else inputs

    def adapt(self, images: ArrayLike) -> None:
        """Measure on training images, in [0, 1], what `strength` needs; for this layer, nothing."""
        images = _validate.finite_array("images", images)
        _validate.in_unit_range("images", images, "divide pixel values from 0 to 255 by 255")

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "strength": self.strength, "seed": self.seed}


@keras.saving.register_keras_serializable(package="coursekit")
class GaussianCorruption(_Corruption):
    """Adds Gaussian noise, x_tilde = x + sigma * eps, in training only. Lecture 07.

    Every call in training draws afresh for every pixel. The three corruption layers measure their
    strength in one unit, so that kinds of noise can be compared.

    Args:
        strength: expected squared change of a pixel, E (x_tilde - x)^2 = sigma^2, from 0.
        clip: whether x_tilde is clipped to [0, 1]; `strength` is then the change before clipping.
        seed: whole number that makes the draws reproducible, or None.

    Another strength raises a TypeError or ValueError, inputs of whole numbers a TypeError.
    """

    def __init__(self, strength: float, *, clip: bool = False, **kwargs: Any):
        super().__init__(strength, **kwargs)
        if not isinstance(clip, bool):
            raise TypeError(f"clip must be True or False, got {clip!r}.")
        self.clip = clip

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise."""
        return math.sqrt(self.strength)

    def _corrupt(self, x):
        eps = keras.random.normal(ops.shape(x), dtype="float32", seed=self.seed_generator)
        x_tilde = x + ops.cast(self.sigma * eps, x.dtype)
        return ops.clip(x_tilde, 0.0, 1.0) if self.clip else x_tilde

    def get_config(self) -> dict:
        return {**super().get_config(), "clip": self.clip}


class _HitCorruption(_Corruption):
    """Sets each pixel with one probability to 0 or, the share `_white` of those hit, to 1."""

    def __init__(self, strength: float, *, change_per_hit: float | None = None, **kwargs: Any):
        super().__init__(strength, **kwargs)
        self.change_per_hit = None
        if change_per_hit is not None:
            self._set_change_per_hit(_validate.real("change_per_hit", change_per_hit, at_least=0))

    def adapt(self, images: ArrayLike) -> None:
        """Measure `change_per_hit` on the training images, of any shape, in [0, 1].

        Call it before `fit`: a compiled training step keeps what it was compiled with. Raises a
        ValueError where `strength` is more than hitting every pixel would change.
        """
        super().adapt(images)
        flat = np.reshape(images, (len(images), -1))
        # Image by image: exact enough in float32, and no copy of all training images.
        squares = np.einsum("ij,ij->i", flat, flat, dtype="float64") / flat.shape[1]
        white = self._white * (1 - 2 * flat.mean(dtype="float64"))
        self._set_change_per_hit(float(squares.mean() + white))

    def _set_change_per_hit(self, change):
        if self.strength > change:
            raise ValueError(
                f"strength must be at most {change:.4g} for {type(self).__name__} on these images, "
                f"where every pixel is hit; got {self.strength:.4g}."
            )
        self.change_per_hit = change

    @property
    def probability(self) -> float:
        """Probability that a pixel is hit, strength / change_per_hit."""
        if self.change_per_hit is None:
            raise ValueError(
                f"{self.name} must know the images to turn its strength into a probability: call "
                "adapt(training_images) first, or give change_per_hit."
            )
        return self.strength / self.change_per_hit if self.strength else 0.0

    def _corrupt(self, x):
        # In float32 also where x is not: small probabilities need its resolution.
        uniform = keras.random.uniform(ops.shape(x), dtype="float32", seed=self.seed_generator)
        x_tilde = ops.where(uniform < self.probability, ops.ones_like(x), x)
        black = uniform < (1 - self._white) * self.probability
        return ops.where(black, ops.zeros_like(x), x_tilde)

    def get_config(self) -> dict:
        return {**super().get_config(), "change_per_hit": self.change_per_hit}


@keras.saving.register_keras_serializable(package="coursekit")
class MaskingCorruption(_HitCorruption):
    """Sets pixels to 0 with a probability, in training only. Lecture 07.

    Unlike `keras.layers.Dropout` it does not enlarge the pixels that stay.

    Args:
        strength, seed: as for `GaussianCorruption`, over the pixels of all training images.
        change_per_hit: E x^2, the squared change where every pixel is masked; usually measured by
            ``adapt(training_images)``. The probability of a hit is strength / change_per_hit.

    Raises as `GaussianCorruption`, for a strength above change_per_hit too, and when called in
    training before that is known.
    """

    _white = 0.0


@keras.saving.register_keras_serializable(package="coursekit")
class SaltAndPepperCorruption(_HitCorruption):
    """Sets pixels to 0 or 1, with equal chance, with a probability, in training only. Lecture 07.

    Args, raises: as `MaskingCorruption`; here change_per_hit is (E x^2 + E (1 - x)^2) / 2.
    """

    _white = 0.5


@keras.saving.register_keras_serializable(package="coursekit")
class Sampling(keras.layers.Layer):
    """Draws z ~ N(z_mean, exp(z_log_var)) as z_mean + exp(z_log_var / 2) * eps. Lecture 09.

    Gradients pass through z to both inputs, since the randomness is in eps ~ N(0, I) alone: the
    reparameterization of Kingma and Welling 2014. Call it as ``Sampling()([z_mean,
    z_log_var])``, two tensors of one shape (batch, ...).

    It draws in training and outside of it, afresh for every call and every number: the ELBO of
    held-out images is an average over z too. Where a code without noise is wanted, take `z_mean`.
    A whole number `seed` makes the draws reproducible. Other inputs raise a ValueError.
    """

    def __init__(self, *, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: list[Any]) -> Any:
        pair = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        self.compute_output_shape([tuple(tensor.shape) for tensor in pair])
        z_mean, z_log_var = inputs
        # In float32 also where the inputs are not: half precision has few values far from 0.
        eps = keras.random.normal(ops.shape(z_mean), dtype="float32", seed=self.seed_generator)
        noise = ops.exp(ops.cast(z_log_var, "float32") / 2) * eps
        return z_mean + ops.cast(noise, z_mean.dtype)

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        pair = bool(input_shape) and isinstance(input_shape[0], (tuple, list))
        shapes = [tuple(shape) for shape in input_shape] if pair else [tuple(input_shape)]
        if len(shapes) != 2 or shapes[0] != shapes[1]:
            raise ValueError(
                f"{self.name} takes [z_mean, z_log_var], two tensors of one shape, got "
                f"{' and '.join(map(str, shapes))}."
            )
        return shapes[0]

    def get_config(self) -> dict:
        return {**super().get_config(), "seed": self.seed}
