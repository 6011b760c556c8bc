"""Penalties on codes: sparsity (lecture 05) and contraction (lecture 06).

Keras adds a layer's penalties to the loss of every batch, in `fit` and in `evaluate`: the "loss"
that it logs holds them, a metric such as "mse" does not. A layer's `activity_regularizer` is
divided by the number of images in the batch, so ``keras.regularizers.L1(lam)`` on a code adds lam
times the sum of |h_j| over the units, averaged over the images.
"""

import math
from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from coursekit import _validate
from coursekit._graph import UnsupportedLayer, links
from coursekit.layers import TiedDense

__all__ = [
    "Contractive",
    "KLSparsity",
    "contractive_penalty",
    "encoder_jacobian",
    "kl_sparsity",
    "stochastic_contractive_penalty",
]


@keras.saving.register_keras_serializable(package="coursekit")
class KLSparsity(keras.regularizers.Regularizer):
    """Sparsity penalty on a code: weight * sum over units of KL(rho || rho_hat_j). Lecture 05.

    Give it to a layer as its `activity_regularizer`; rho_hat_j is unit j's mean activation over
    the batch. A divergence of means is no sum over the n images, by which Keras divides: so this
    one, called on h, returns n times the penalty, and the loss holds exactly the penalty.

    `rho` is the mean activation wanted, between 0 and 1, `weight` the penalty's lambda, from 0;
    others raise a TypeError or ValueError, as in a call does h that is no codes (n, m), or leaves
    [0, 1] (in a compiled graph the penalty is then NaN).
    """

    def __init__(self, rho: float = 0.05, weight: float = 1.0):
        self.rho = _validate.real("rho", rho, above=0, below=1)
        self.weight = _validate.real("weight", weight, at_least=0)

    def __call__(self, h: ArrayLike) -> Any:
        h = ops.convert_to_tensor(h)
        if len(h.shape) != 2:
            raise ValueError(f"h must be codes of shape (n, m), got shape {tuple(h.shape)}.")
        inside = _validate.in_unit_range("h", h, "use a sigmoid")
        h = ops.where(inside, ops.cast(h, "float32"), math.nan)  # half would lose a sum's digits
        n = ops.cast(ops.shape(h)[0], h.dtype)
        return n * self.weight * ops.sum(kl_sparsity(ops.mean(h, axis=0), self.rho))

    def get_config(self) -> dict:
        return {"rho": self.rho, "weight": self.weight}


def kl_sparsity(rho_hat: ArrayLike, rho: float) -> Any:
    """KL(rho || rho_hat) of two Bernoulli variables, per unit. Lecture 05.

    rho log(rho / rho_hat) + (1 - rho) log((1 - rho) / (1 - rho_hat)), in nats. Inside the
    logarithms rho_hat is held `keras.config.epsilon()` away from 0 and 1, so that a unit that is
    always silent or always on has a large but finite penalty.

    `rho_hat` are mean activations in [0, 1], of any shape, `rho` the one wanted, between 0 and 1;
    others raise a ValueError, or in a compiled graph make every result NaN.
    """
    rho = _validate.real("rho", rho, above=0, below=1)
    rho_hat = ops.convert_to_tensor(rho_hat)
    inside = _validate.in_unit_range("rho_hat", rho_hat, "use a sigmoid")
    held = ops.clip(rho_hat, keras.config.epsilon(), 1 - keras.config.epsilon())
    divergence = rho * ops.log(rho / held) + (1 - rho) * ops.log((1 - rho) / (1 - held))
    return ops.where(inside, divergence, math.nan)


def encoder_jacobian(encoder: keras.Model, x: ArrayLike) -> Any:
    """The Jacobian dh/dx of a dense encoder at each input, by the chain rule. Lecture 06.

    With pre-activations a_l = h_(l-1) W_l + b_l and D_l = diag(act'(a_l)),
    dh/dx = D_L W_L^T ... D_1 W_1^T: a tensor (batch, m, n) whose entries (j, i) are dh_j/dx_i.

    `encoder` is a built Keras model, a chain of `Dense` (or `TiedDense`) and `Activation` layers;
    layers that do nothing outside training are passed over. x are inputs (batch, n). Another model
    (the layer is named), or x that does not fit, raises a TypeError or ValueError.
    """
    return _product(_factors(encoder, x))


def contractive_penalty(encoder: keras.Model, x: ArrayLike) -> Any:
    """Squared Frobenius norm ||dh/dx||_F^2 of a dense encoder's Jacobian. Lecture 06.

    Exact, and differentiable in the weights. One layer has a closed form,
    sum_j act'(a_j)^2 ||w_j||^2; for more, W_1^T W_1 takes the place of W_1, so that no tensor of
    shape (batch, m, n) is needed (Rifai et al. 2011, "Contractive auto-encoders").

    Args, raises: as `encoder_jacobian`. Returns a tensor (batch,).
    """
    (W, slope), *upper = _factors(encoder, x)
    if not upper:
        return ops.matmul(ops.square(slope), ops.sum(ops.square(W), axis=0))
    J = _product(upper) * slope[:, None, :]  # the Jacobian dh/da_1
    return ops.sum(ops.tensordot(J, ops.matmul(ops.transpose(W), W), axes=1) * J, axis=(1, 2))


def stochastic_contractive_penalty(
    encoder: keras.Model, x: ArrayLike, sigma: float, seed: Any = None
) -> Any:
    """||f(x + sigma eps) - f(x)||^2 / sigma^2, with one draw of Gaussian noise eps. Lecture 06.

    Its expectation tends to ||dh/dx||_F^2 as sigma tends to 0. Slides often print the undivided
    form, E ||h(x) - h(x_tilde)||^2, which tends to 0. Returns a tensor (batch,).

    `encoder` is any built Keras model from inputs (batch, ...) to codes, called as outside
    training; `sigma` is above 0 (below 1e-3, single precision loses digits); others raise a
    TypeError or ValueError. `seed` is a whole number, `keras.random.SeedGenerator`, or None.
    """
    _validate.built_model("encoder", encoder)
    sigma = _validate.real("sigma", sigma, above=0)
    dtype = encoder.variable_dtype
    x = ops.cast(x, dtype)
    eps = keras.random.normal(ops.shape(x), dtype=dtype, seed=seed)
    h, h_tilde = (ops.cast(encoder(at, training=False), dtype) for at in (x, x + sigma * eps))
    return ops.sum(ops.square((h_tilde - h) / sigma), axis=tuple(range(1, len(h.shape))))


@keras.saving.register_keras_serializable(package="coursekit")
class Contractive(keras.layers.Wrapper):
    """An encoder that adds its contractive penalty to the loss; the output is h = f(x). Lecture 06.

    The penalty is weight * mean over the batch of ||dh/dx||_F^2, exact, or with `sigma` estimated
    by `stochastic_contractive_penalty`::

        contractive = keras.Sequential([keras.Input((784,)), Contractive(encoder, 1e-3)])
        model = ck.models.Autoencoder(contractive, decoder)

    A decoder that is free to grow lets the encoder's weights shrink and the penalty with them, to
    no use: tie the two (`TiedDense`), or judge the penalty by the spread of the codes. Keras cannot
    load a model again in which `encoder` shares layers with the rest: save its weights instead.

    Args:
        encoder: model from x to h, as `encoder_jacobian` takes it; with `sigma`, any built one.
        weight: the penalty's weight lambda, from 0.
        sigma: standard deviation of the noise, above 0, or None for the exact penalty. The encoder
            is then called three times, and so are activity penalties of its own.
        seed: whole number that makes the noise reproducible, or None.

    Another model, or a number outside its range, raises a TypeError or ValueError.
    """

    chain = ("layer",)  # where Keras' Wrapper keeps the encoder

    def __init__(
        self,
        encoder: keras.Model,
        weight: float,
        *,
        sigma: float | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(_validate.built_model("encoder", encoder), **kwargs)
        if sigma is None:
            _dense_layers(encoder)
        self.weight = _validate.real("weight", weight, at_least=0)
        self.sigma = None if sigma is None else _validate.real("sigma", sigma, above=0)
        self.seed = seed
        self.seed_generator = None if sigma is None else keras.random.SeedGenerator(seed)

    def call(self, x: Any, training: bool | None = None) -> Any:
        if self.sigma is None:
            penalty = contractive_penalty(self.layer, x)
        else:
            penalty = stochastic_contractive_penalty(self.layer, x, self.sigma, self.seed_generator)
        self.add_loss(self.weight * ops.mean(penalty))
        return self.layer(x, training=training)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict:
        own = {"weight": self.weight, "sigma": self.sigma, "seed": self.seed}
        return {**super().get_config(), **own}


# The derivative of each activation, of the pre-activation a and the activation h.
_SLOPES = {
    keras.activations.linear: lambda a, h: ops.ones_like(a),
    keras.activations.sigmoid: lambda a, h: h * (1 - h),
    keras.activations.tanh: lambda a, h: 1 - h * h,
    keras.activations.relu: lambda a, h: ops.cast(a > 0, a.dtype),
    keras.activations.leaky_relu: lambda a, h: 0.2 + 0.8 * ops.cast(a > 0, a.dtype),
    keras.activations.elu: lambda a, h: ops.where(a > 0, ops.ones_like(a), h + 1),
    keras.activations.softplus: lambda a, h: ops.sigmoid(a),
    keras.activations.silu: lambda a, h: ops.sigmoid(a) * (1 + a - h),
    keras.activations.gelu: lambda a, h: (
        0.5 * (1 + ops.erf(a / math.sqrt(2))) + a * ops.exp(-a * a / 2) / math.sqrt(2 * math.pi)
    ),
}


def _factors(encoder, x):
    """[(W_1, act'(a_1)), ..., (W_L, act'(a_L))]: kernels (p, q), slopes (batch, q)."""
    layers = _dense_layers(encoder)
    n = layers[0].kernel.shape[0]
    if len(x.shape) != 2 or x.shape[1] != n:
        raise ValueError(f"x must have shape (batch, {n}), got {tuple(x.shape)}.")
    dtype = encoder.variable_dtype
    h, kernels, slopes = ops.cast(x, dtype), [], []
    for layer in layers:
        if not isinstance(layer, keras.layers.Activation):
            kernels.append(ops.cast(layer.kernel, dtype))
            slopes.append(1.0)
            h = ops.matmul(h, kernels[-1])
            if layer.bias is not None:
                h = h + ops.cast(layer.bias, dtype)
        a, h = h, layer.activation(h)
        slopes[-1] = slopes[-1] * _SLOPES[layer.activation](a, h)
    return list(zip(kernels, slopes, strict=True))


def _product(factors):
    """D_L W_L^T ... D_1 W_1^T, multiplied from the code downwards, where it is smallest."""
    W, slope = factors[-1]
    J = slope[:, :, None] * ops.transpose(W)
    for W, slope in reversed(factors[:-1]):
        J = ops.tensordot(J * slope[:, None, :], W, axes=([2], [1]))
    return J


def _dense_layers(encoder):
    """The layers of a dense encoder that compute something, from x to h, or raise."""
    layers = []
    try:
        for layer, options in links(_validate.built_model("encoder", encoder)):
            # Exact types: a subclass may compute something else.
            kinds = (keras.layers.Dense, TiedDense) + (keras.layers.Activation,) * bool(layers)
            if type(layer) not in kinds or options.get("transpose"):
                raise UnsupportedLayer(layer, "is not supported there")
            if layer.activation not in _SLOPES:
                name = getattr(layer.activation, "__name__", type(layer.activation).__name__)
                known = ", ".join(function.__name__ for function in _SLOPES)
                why = f"has the activation {name}, but only the derivatives of {known} are known"
                raise UnsupportedLayer(layer, why)
            layers.append(layer)
    except UnsupportedLayer as refused:
        raise ValueError(
            "encoder must be a chain of Dense, TiedDense and Activation layers, a Dense one "
            f"first; {refused}."
        ) from None
    if not layers:
        raise ValueError("encoder must have at least one Dense layer.")
    return layers
