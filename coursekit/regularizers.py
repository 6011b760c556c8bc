"""Penalties on codes: sparsity (lecture 05) and contraction (lecture 06).

Keras adds a layer's penalties to the loss of every batch, in `fit` and in `evaluate`: the "loss"
that it logs holds them, a metric such as "mse" does not. A layer's `activity_regularizer` is
divided by the number of images in the batch, so ``keras.regularizers.L1(lam)`` on a code adds lam
times the sum of |h_j| over the units, averaged over the images.
"""

import math

import keras
from keras import ops

from coursekit import _validate
from coursekit.layers import TiedDense, _Corruption


@keras.saving.register_keras_serializable(package="coursekit")
class KLSparsity(keras.regularizers.Regularizer):
    """Sparsity penalty on a code: weight * sum over units of KL(rho || rho_hat_j). Lecture 05.

    Give it to a layer as its `activity_regularizer`; rho_hat_j is unit j's mean activation over
    the batch. Keras divides what an activity regularizer returns by the number n of images, but a
    divergence of means is no sum over images: so this one, called on h, returns n times the
    penalty, and exactly the penalty is added to the loss, whatever the batch size.

    Args:
        rho: the mean activation wanted, between 0 and 1.
        weight: the penalty's weight lambda, from 0.

    Raises:
        TypeError, ValueError: `rho` or `weight` is no number, or outside its range.
        ValueError: when called on other than (n, m) codes, or on activations outside [0, 1]. In a
            compiled graph no value can be looked at: there the penalty becomes NaN.
    """

    def __init__(self, rho=0.05, weight=1.0):
        self.rho = _validate.real("rho", rho, above=0, below=1)
        self.weight = _validate.real("weight", weight, at_least=0)

    def __call__(self, h):
        h = ops.convert_to_tensor(h)
        if len(h.shape) != 2:
            raise ValueError(f"h must be codes of shape (n, m), got shape {tuple(h.shape)}.")
        inside = _validate.in_unit_range("h", h, "use a sigmoid")
        h = ops.cast(h, "float32")  # a mean of many half-precision numbers loses digits
        penalty = ops.sum(kl_sparsity(ops.mean(h, axis=0), self.rho))
        n = ops.cast(ops.shape(h)[0], h.dtype)
        return n * self.weight * ops.where(inside, penalty, ops.full_like(penalty, math.nan))

    def get_config(self):
        return {"rho": self.rho, "weight": self.weight}


def kl_sparsity(rho_hat, rho):
    """KL(rho || rho_hat) of two Bernoulli variables, per unit. Lecture 05.

    rho log(rho / rho_hat) + (1 - rho) log((1 - rho) / (1 - rho_hat)), in nats. Inside the
    logarithms rho_hat is held `keras.config.epsilon()` away from 0 and 1, so that a unit that is
    always silent or always on has a large but finite penalty.

    Args:
        rho_hat: mean activations in [0, 1], of any shape.
        rho: the mean activation wanted, between 0 and 1.

    Raises:
        ValueError: `rho` or `rho_hat` is outside its range; in a compiled graph, where no value
            can be looked at, every result becomes NaN instead.
    """
    rho = _validate.real("rho", rho, above=0, below=1)
    rho_hat = ops.convert_to_tensor(rho_hat)
    inside = _validate.in_unit_range("rho_hat", rho_hat, "use a sigmoid")
    epsilon = keras.config.epsilon()
    held = ops.clip(rho_hat, epsilon, 1 - epsilon)
    divergence = rho * ops.log(rho / held) + (1 - rho) * ops.log((1 - rho) / (1 - held))
    return ops.where(inside, divergence, ops.full_like(divergence, math.nan))


def encoder_jacobian(encoder, x):
    """The Jacobian dh/dx of a dense encoder at each input, by the chain rule. Lecture 06.

    With pre-activations a_l = h_(l-1) W_l + b_l and D_l = diag(act'(a_l)),
    dh/dx = D_L W_L^T ... D_1 W_1^T.

    Args:
        encoder: built Keras model, a chain of `Dense` (or `TiedDense`) and `Activation` layers and
            of layers that do nothing outside training, which are passed over.
        x: inputs (batch, n).

    Returns:
        Tensor (batch, m, n); entry (j, i) is dh_j/dx_i.

    Raises:
        TypeError: `encoder` is no Keras model.
        ValueError: a layer or activation is not supported (named), or `x` has another shape.
    """
    return _product(_factors(encoder, x))


def contractive_penalty(encoder, x):
    """Squared Frobenius norm ||dh/dx||_F^2 of a dense encoder's Jacobian. Lecture 06.

    Exact, and differentiable in the weights. One layer has a closed form,
    sum_j act'(a_j)^2 ||w_j||^2; for more, W_1^T W_1 takes the place of W_1, so that no tensor of
    shape (batch, m, n) is needed (Rifai et al. 2011, "Contractive auto-encoders").

    Args, raises: as `encoder_jacobian`.

    Returns:
        Tensor (batch,).
    """
    (W, slope), *upper = _factors(encoder, x)
    if not upper:
        return ops.matmul(ops.square(slope), ops.sum(ops.square(W), axis=0))
    J = _product(upper) * slope[:, None, :]  # the Jacobian dh/da_1
    n, m_1 = W.shape
    if n < m_1:
        return ops.sum(ops.square(ops.tensordot(J, W, axes=([2], [1]))), axis=(1, 2))
    gram = ops.matmul(ops.transpose(W), W)
    return ops.sum(ops.tensordot(J, gram, axes=1) * J, axis=(1, 2))


def stochastic_contractive_penalty(encoder, x, sigma, seed=None):
    """||f(x + sigma eps) - f(x)||^2 / sigma^2, with one draw of Gaussian noise eps. Lecture 06.

    Its expectation tends to ||dh/dx||_F^2 as sigma tends to 0. Slides often print the undivided
    form, E ||h(x) - h(x_tilde)||^2, which tends to 0. The encoder is called as outside training.
    In single precision a sigma below 1e-3 loses digits.

    Args:
        encoder: any Keras model from inputs to codes.
        x: inputs (batch, ...).
        sigma: standard deviation of the noise, above 0.
        seed: whole number, `keras.random.SeedGenerator`, or None.

    Returns:
        Tensor (batch,).

    Raises:
        TypeError, ValueError: `encoder` is no Keras model, or `sigma` no number above 0.
    """
    _require_model(encoder)
    sigma = _validate.real("sigma", sigma, above=0)
    x = ops.cast(x, encoder.variable_dtype)
    eps = keras.random.normal(ops.shape(x), dtype=encoder.variable_dtype, seed=seed)
    h, h_tilde = (
        ops.cast(encoder(inputs, training=False), encoder.variable_dtype)
        for inputs in (x, x + sigma * eps)
    )
    axes = tuple(range(1, len(h.shape)))
    return ops.sum(ops.square((h_tilde - h) / sigma), axis=axes)


@keras.saving.register_keras_serializable(package="coursekit")
class Contractive(keras.layers.Layer):
    """An encoder that adds its contractive penalty to the loss; the output is h = f(x). Lecture 06.

    The penalty is weight * mean over the batch of ||dh/dx||_F^2, exact, or with `sigma` estimated
    by `stochastic_contractive_penalty`. It is counted in `fit` and in `evaluate`::

        contractive = keras.Sequential([keras.Input((784,)), Contractive(encoder, 1e-3)])
        model = ck.models.Autoencoder(contractive, decoder)

    A decoder that is free to grow lets the encoder's weights shrink and the penalty with them, to
    no use: tie the two (`TiedDense`), or judge the penalty by the spread of the codes. Keras cannot
    load a model again in which `encoder` shares layers with the rest: save its weights instead.

    Args:
        encoder: built Keras model from x to h; without `sigma`, one that `encoder_jacobian` takes.
        weight: the penalty's weight lambda, from 0.
        sigma: standard deviation of the noise, above 0, or None for the exact penalty. The encoder
            is then called three times, and so are activity penalties of its own.
        seed: whole number that makes the noise reproducible, or None.

    Raises:
        TypeError, ValueError: `encoder` is no built Keras model or is not supported, or a number is
            outside its range.
    """

    def __init__(self, encoder, weight, *, sigma=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        _require_model(encoder)
        if sigma is None:
            _dense_layers(encoder)
        self.encoder = encoder
        self.weight = _validate.real("weight", weight, at_least=0)
        self.sigma = None if sigma is None else _validate.real("sigma", sigma, above=0)
        self.seed = seed
        self.seed_generator = None if sigma is None else keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        """Nothing to build: the encoder is."""

    def call(self, x, training=None):
        if self.sigma is None:
            penalty = contractive_penalty(self.encoder, x)
        else:
            penalty = stochastic_contractive_penalty(
                self.encoder, x, self.sigma, self.seed_generator
            )
        self.add_loss(self.weight * ops.mean(penalty))
        return self.encoder(x, training=training)

    def compute_output_shape(self, input_shape):
        return self.encoder.compute_output_shape(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "weight": self.weight,
            "sigma": self.sigma,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        encoder = keras.saving.deserialize_keras_object(
            config["encoder"], custom_objects=custom_objects
        )
        return cls(**{**config, "encoder": encoder})


# The derivative of each activation, of the pre-activation a and the activation h.
_SLOPES = {
    keras.activations.linear: lambda a, h: ops.ones_like(a),
    keras.activations.sigmoid: lambda a, h: h * (1 - h),
    keras.activations.tanh: lambda a, h: 1 - h * h,
    keras.activations.relu: lambda a, h: ops.cast(a > 0, a.dtype),
    keras.activations.leaky_relu: lambda a, h: ops.where(
        a > 0, ops.ones_like(a), 0.2 * ops.ones_like(a)
    ),
    keras.activations.elu: lambda a, h: ops.where(a > 0, ops.ones_like(a), h + 1),
    keras.activations.softplus: lambda a, h: ops.sigmoid(a),
    keras.activations.silu: lambda a, h: ops.sigmoid(a) * (1 + a - h),
    keras.activations.gelu: lambda a, h: (
        0.5 * (1 + ops.erf(a / math.sqrt(2))) + a * ops.exp(-a * a / 2) / math.sqrt(2 * math.pi)
    ),
}
_IDENTITY_OUTSIDE_TRAINING = (
    keras.layers.InputLayer,
    keras.layers.Identity,
    keras.layers.Dropout,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
    keras.layers.ActivityRegularization,
    _Corruption,
)


def _factors(encoder, x):
    """[(W_1, act'(a_1)), ..., (W_L, act'(a_L))]: kernels (p, q), slopes (batch, q)."""
    layers = _dense_layers(encoder)
    n = layers[0].kernel.shape[0]
    if len(x.shape) != 2 or x.shape[1] != n:
        raise ValueError(f"x must have shape (batch, {n}), got {tuple(x.shape)}.")
    dtype = encoder.variable_dtype
    h, factors = ops.cast(x, dtype), []
    for layer in layers:
        a = h
        if not isinstance(layer, keras.layers.Activation):
            W = ops.cast(layer.kernel, dtype)
            a = ops.matmul(h, W)
            if layer.bias is not None:
                a = a + ops.cast(layer.bias, dtype)
            factors.append((W, 1.0))
        h = layer.activation(a)
        W, slope = factors[-1]
        factors[-1] = (W, slope * _SLOPES[layer.activation](a, h))
    return factors


def _product(factors):
    """D_L W_L^T ... D_1 W_1^T, multiplied from the code downwards, where it is smallest."""
    W, slope = factors[-1]
    J = slope[:, :, None] * ops.transpose(W)
    for W, slope in reversed(factors[:-1]):
        J = ops.tensordot(J * slope[:, None, :], W, axes=([2], [1]))
    return J


def _dense_layers(encoder):
    """The layers of a dense encoder that compute something, from x to h, or raise."""
    _require_model(encoder)
    layers = []
    for layer, options in _chain(encoder):
        if isinstance(layer, _IDENTITY_OUTSIDE_TRAINING):
            continue
        # Exact types: a subclass may compute something else.
        if (
            type(layer) not in (keras.layers.Dense, TiedDense, keras.layers.Activation)
            or options.get("transpose")
            or (not layers and type(layer) is keras.layers.Activation)
        ):
            raise ValueError(
                f"encoder must be a chain of Dense, TiedDense and Activation layers, a Dense one "
                f"first; {type(layer).__name__} {layer.name!r} is not supported there."
            )
        if layer.activation not in _SLOPES:
            name = getattr(layer.activation, "__name__", type(layer.activation).__name__)
            known = ", ".join(function.__name__ for function in _SLOPES)
            raise ValueError(
                f"encoder's layer {layer.name!r} has the activation {name}, but only the "
                f"derivatives of {known} are known."
            )
        layers.append(layer)
    if not layers:
        raise ValueError("encoder must have at least one Dense layer.")
    return layers


def _chain(model):
    """Layers and their call's options from a model's input to its output, nested ones unfolded."""
    if isinstance(model, Contractive):
        return _chain(model.encoder)
    _require_chain(model)
    chain, tensor = [], model.outputs[0]
    while tensor is not model.inputs[0]:
        layer, node_index, _ = tensor._keras_history
        node = layer._inbound_nodes[node_index]
        if len(node.input_tensors) != 1 or len(node.output_tensors) != 1:
            raise ValueError(
                f"encoder must be a chain of layers, but {layer.name!r} has several inputs or "
                "outputs."
            )
        nested = isinstance(layer, (keras.Model, Contractive))
        chain[:0] = _chain(layer) if nested else [(layer, node.arguments.kwargs)]
        tensor = node.input_tensors[0]
    return chain


def _require_model(encoder):
    if not isinstance(encoder, keras.Model):
        raise TypeError(f"encoder must be a Keras model, got {type(encoder).__name__}.")
    if not encoder.built:
        raise ValueError("encoder must be built: begin it with keras.Input(shape).")


def _require_chain(model):
    own = [cls for cls in type(model).__mro__ if cls.__module__.split(".")[0] != "keras"]
    ends = [len(getattr(model, side, None) or ()) for side in ("inputs", "outputs")]
    if ends != [1, 1] or any("call" in vars(cls) for cls in own):
        raise ValueError(
            "encoder must be a Sequential or functional model with one input and one output, "
            f"got {type(model).__name__} {model.name!r}."
        )
