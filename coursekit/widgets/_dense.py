"""Reads a dense Keras model into the steps that `dense.js` evaluates."""

import functools

import keras
import numpy as np

from coursekit._graph import UnsupportedLayer, links

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


def input_shapes(model):
    """The shape of the batches of each input that a built model takes; () where it is not told."""
    if getattr(model, "inputs", None):
        return [tuple(tensor.shape) for tensor in model.inputs]
    built = model.get_build_config() or {}
    shape = built.get("input_shape") or built.get("shapes_dict") or ()
    one = all(size is None or isinstance(size, int) for size in shape)
    return [tuple(shape)] if one else [*shape]


def read_dense(model):
    """Steps and weights of `model`, a chain of dense layers, as the browser evaluates them.

    Returns a list of JSON-ready steps, each with its `kind`, and one float32 array holding the
    numbers of all the steps in their order: for "dense" the kernel (inputs, outputs), then the
    bias; for "affine" a scale, then a shift, per value. Raises `UnsupportedLayer`.
    """
    steps, numbers = [], [np.empty(0)]
    (shape,) = input_shapes(model)
    for layer, options in links(model):
        new_steps, new_numbers = _read_layer(layer, shape, options.get("training"))
        steps += new_steps
        numbers += new_numbers
        shape = layer.compute_output_shape(shape)
    return steps, np.concatenate([np.ravel(values).astype("float32") for values in numbers])


def _read_layer(layer, shape, training):
    # Exact types: a subclass may compute something else.
    kind = type(layer)
    if getattr(layer, "compute_dtype", "float32") != "float32":
        raise UnsupportedLayer(layer, f"computes in {layer.compute_dtype}, not float32")
    if kind is keras.layers.Dense:
        if len(shape) != 2:
            raise UnsupportedLayer(layer, f"is applied to an input of shape {shape[1:]}")
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        inputs, outputs = kernel.shape
        bias = keras.ops.convert_to_numpy(layer.bias) if layer.use_bias else np.zeros(outputs)
        step = {"kind": "dense", "inputs": inputs, "outputs": outputs}
        return [step, *_read_activation(layer, layer.activation)], [kernel, bias]
    if kind is keras.layers.BatchNormalization and not training:
        return _read_batch_normalization(layer, shape)
    if kind is keras.layers.Activation:
        return _read_activation(layer, layer.activation), []
    if kind in (keras.layers.LeakyReLU, keras.layers.ReLU):
        if getattr(layer, "max_value", None) is not None or getattr(layer, "threshold", 0):
            raise UnsupportedLayer(layer, "has a max_value or a threshold")
        return [{"kind": "leaky_relu", "negative_slope": float(layer.negative_slope)}], []
    if kind is keras.layers.Flatten and layer.data_format == "channels_first" and len(shape) > 3:
        raise UnsupportedLayer(layer, "moves the channels to the end")
    if kind in (keras.layers.Flatten, keras.layers.Reshape):
        return [], []
    when = " in training" * bool(training)
    raise UnsupportedLayer(layer, f"is not among those the browser evaluates{when}")


def _read_activation(layer, function):
    if isinstance(function, keras.layers.Layer):
        if type(function) not in (keras.layers.ReLU, keras.layers.LeakyReLU):
            raise UnsupportedLayer(layer, f"has the activation {type(function).__name__}")
        return _read_layer(function, None, False)[0]
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
    gamma, beta = layer.gamma if layer.scale else 1.0, layer.beta if layer.center else 0.0
    weights = layer.moving_mean, layer.moving_variance, gamma, beta
    mean, variance, gamma, beta = (
        keras.ops.convert_to_numpy(weight).astype("float64") for weight in weights
    )
    scale = gamma / np.sqrt(variance + layer.epsilon)
    along = [1] * len(shape)
    along[layer.axis] = -1
    affine = (values.reshape(along)[0] for values in (scale, beta - mean * scale))
    scale, shift = (np.broadcast_to(values, shape[1:]) for values in affine)
    return [{"kind": "affine", "size": scale.size}], [scale, shift]
