"""Reads a dense Keras model into the steps that `dense.js` evaluates."""

import functools

import keras
import numpy as np

from coursekit import layers
from coursekit.models import Autoencoder

# What each activation may carry besides its input, with the value Keras takes when it is absent.
_ACTIVATIONS = {
    keras.activations.linear: ("linear", {}),
    keras.activations.tanh: ("tanh", {}),
    keras.activations.sigmoid: ("sigmoid", {}),
    keras.activations.softplus: ("softplus", {}),
    keras.activations.relu: ("leaky_relu", {"negative_slope": 0.0}),
    keras.activations.leaky_relu: ("leaky_relu", {"negative_slope": 0.2}),
    keras.activations.gelu: ("gelu", {"approximate": False}),
}
_IDENTITY_AT_INFERENCE = (
    keras.layers.InputLayer,
    keras.layers.Dropout,
    keras.layers.GaussianNoise,
    keras.layers.Flatten,
    keras.layers.Reshape,
    layers.GaussianCorruption,
    layers.MaskingCorruption,
    layers.SaltAndPepperCorruption,
)


class UnsupportedLayer(ValueError):
    """The model holds a layer that the browser cannot evaluate; the message names it."""

    def __init__(self, layer, why="is not among those the browser evaluates"):
        super().__init__(f"{type(layer).__name__} {layer.name!r} {why}")


def read_dense(model):
    """Steps and weights of `model`, a chain of dense layers, as the browser evaluates them.

    Returns a list of JSON-ready steps, each with its `kind`, and one float32 array holding the
    numbers of all the steps in their order: for "dense" the kernel (inputs, outputs), then the
    bias; for "affine" a scale, then a shift, per value. Raises `UnsupportedLayer`.
    """
    steps, numbers = [], []
    chain = _chain(model)
    shape = input_shape(model)
    for layer in chain:
        if not isinstance(layer, keras.layers.Layer):  # a bare keras.ops operation
            raise UnsupportedLayer(layer)
        if layer.compute_dtype != "float32":
            raise UnsupportedLayer(layer, f"computes in {layer.compute_dtype}, not float32")
        new_steps, new_numbers = _read_layer(layer, shape)
        steps += new_steps
        numbers += new_numbers
        shape = layer.compute_output_shape(shape)
    flat = [np.ravel(values).astype("float32") for values in numbers]
    return steps, np.concatenate([*flat, np.empty(0, "float32")])


def input_shape(model):
    """The shape of a batch that `model` takes, or None where it does not tell."""
    if type(model) is Autoencoder:
        return input_shape(model.encoder)
    inputs = getattr(model, "inputs", None)
    return tuple(inputs[0].shape) if inputs else None


def _chain(model):
    """The model's layers from its input to its output, nested models unfolded."""
    if type(model) is Autoencoder:
        return _chain(model.encoder) + _chain(model.decoder)
    own = [cls for cls in type(model).__mro__ if cls.__module__.split(".")[0] != "keras"]
    if any("call" in vars(cls) for cls in own):  # it may do anything: the layers do not tell
        raise UnsupportedLayer(model, "has a `call` of its own")
    layers = []
    tensor = model.outputs[0]
    while tensor is not model.inputs[0]:
        operation, node_index, _ = tensor._keras_history
        sources = operation._inbound_nodes[node_index].input_tensors
        if len(sources) != 1 or len(operation._inbound_nodes[node_index].output_tensors) != 1:
            raise UnsupportedLayer(operation, "is not a link in a chain of layers")
        layers[:0] = _chain(operation) if isinstance(operation, keras.Model) else [operation]
        tensor = sources[0]
    return layers


def _read_layer(layer, shape):
    # Exact types: a subclass may compute something else.
    kind = type(layer)
    if kind is keras.layers.Dense:
        if len(shape) != 2:
            raise UnsupportedLayer(layer, f"is applied to an input of shape {shape[1:]}")
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        inputs, outputs = kernel.shape
        bias = keras.ops.convert_to_numpy(layer.bias) if layer.use_bias else np.zeros(outputs)
        step = {"kind": "dense", "inputs": inputs, "outputs": outputs}
        return [step, *_read_activation(layer, layer.activation)], [kernel, bias]
    if kind is keras.layers.BatchNormalization:
        return _read_batch_normalization(layer, shape)
    if kind is keras.layers.Activation:
        return _read_activation(layer, layer.activation), []
    if kind is keras.layers.LeakyReLU:
        return [{"kind": "leaky_relu", "negative_slope": float(layer.negative_slope)}], []
    if kind is keras.layers.ReLU:
        if layer.max_value is not None or layer.threshold:
            raise UnsupportedLayer(layer, "has a max_value or a threshold")
        return [{"kind": "leaky_relu", "negative_slope": float(layer.negative_slope)}], []
    if kind is keras.layers.Flatten and layer.data_format == "channels_first" and len(shape) > 3:
        raise UnsupportedLayer(layer, "moves the channels to the end")
    if kind in _IDENTITY_AT_INFERENCE:
        return [], []
    raise UnsupportedLayer(layer)


def _read_activation(layer, function):
    if isinstance(function, keras.layers.Layer):
        if type(function) not in (keras.layers.ReLU, keras.layers.LeakyReLU):
            raise UnsupportedLayer(layer, f"has the activation {type(function).__name__}")
        return _read_layer(function, None)[0]
    given = {}
    if isinstance(function, functools.partial) and not function.args:
        function, given = function.func, function.keywords
    known, options = _ACTIVATIONS.get(function, (None, {}))
    if known is None or not given.keys() <= options.keys():
        name = getattr(function, "__name__", type(function).__name__)
        extra = f" with {', '.join(given)}" if given else ""
        raise UnsupportedLayer(layer, f"has the activation {name}{extra}")
    return [] if known == "linear" else [{"kind": known, **options, **given}]


def _read_batch_normalization(layer, shape):
    def per_value(weight, default):
        values = np.full(shape[layer.axis], default)
        if weight is not None:
            values = keras.ops.convert_to_numpy(weight).astype("float64")
        along = [1] * len(shape)
        along[layer.axis] = -1
        return np.broadcast_to(values.reshape(along)[0], shape[1:])

    deviation = np.sqrt(per_value(layer.moving_variance, 1.0) + layer.epsilon)
    scale = per_value(layer.gamma if layer.scale else None, 1.0) / deviation
    shift = per_value(layer.beta if layer.center else None, 0.0)
    shift = shift - per_value(layer.moving_mean, 0.0) * scale
    return [{"kind": "affine", "size": scale.size}], [scale, shift]
