"""The steps read from a dense Keras model; the browser tests evaluate them in Chromium."""

import functools

import keras
import numpy as np
import pytest

from coursekit.layers import MaskingCorruption
from coursekit.models import Autoencoder
from coursekit.regularizers import Contractive
from coursekit.widgets import LatentExplorer
from coursekit.widgets._dense import UnsupportedLayer, read_dense

layers = keras.layers


def sequential(*parts, size=3):
    return keras.Sequential([keras.Input((size,)), *parts])


def test_kernels_and_biases_are_written_in_order():
    model = sequential(layers.Dense(4, "tanh"), layers.Dense(2, use_bias=False))
    steps, weights = read_dense(model)
    assert steps == [
        {"kind": "dense", "inputs": 3, "outputs": 4},
        {"kind": "tanh"},
        {"kind": "dense", "inputs": 4, "outputs": 2},
    ]
    (kernel, bias), (last,) = (layer.get_weights() for layer in model.layers)
    expected = np.concatenate([kernel.ravel(), bias, last.ravel(), np.zeros(2)])
    np.testing.assert_array_equal(weights, expected)
    assert weights.dtype == np.float32


def test_batch_normalization_is_a_scale_and_a_shift():
    layer = layers.BatchNormalization(epsilon=0.01)
    model = sequential(layer)
    gamma, beta, mean, variance = np.random.default_rng(0).uniform(0.5, 2, (4, 3))
    layer.set_weights([gamma, beta, mean, variance])
    steps, weights = read_dense(model)
    assert steps == [{"kind": "affine", "size": 3}]
    scale, shift = weights.reshape(2, 3)
    x = np.array([[1.0, -2.0, 3.0]], "float32")
    expected = keras.ops.convert_to_numpy(model(x, training=False))
    np.testing.assert_allclose(x * scale + shift, expected, atol=1e-6)


def test_nested_and_functional_models_are_unfolded():
    inner = sequential(layers.Dense(4, "relu"), layers.Dropout(0.5))
    code = keras.Input((3,))
    model = keras.Model(code, layers.Dense(9)(layers.Activation("gelu")(inner(code))))
    kinds = [step["kind"] for step in read_dense(model)[0]]
    assert kinds == ["dense", "leaky_relu", "gelu", "dense"]


def test_layers_that_do_nothing_outside_training_are_left_out():
    idle = [
        layers.Identity(),
        layers.GaussianDropout(0.5),
        layers.GaussianNoise(1.0),
        layers.ActivityRegularization(l1=0.1),
        MaskingCorruption(0.1),
    ]
    steps, weights = read_dense(sequential(*idle[:2], layers.Dense(2), *idle[2:]))
    assert [step["kind"] for step in steps] == ["dense"]
    assert len(weights) == 8


def test_a_layer_that_is_called_in_training_is_not_idle():
    code = keras.Input((3,))
    dropped = layers.Dropout(0.5, name="drop")(layers.Dense(4)(code), training=True)
    inner = sequential(layers.BatchNormalization(name="norm"))
    for model, named in (
        (keras.Model(code, dropped), "Dropout 'drop'"),
        (keras.Model(code, inner(code, training=True)), "BatchNormalization 'norm'"),
    ):
        with pytest.raises(UnsupportedLayer, match=f"{named} is not among .* in training"):
            read_dense(model)


def test_what_calls_its_parts_in_turn_is_read_as_they_are():
    contractive = Contractive(sequential(layers.Dense(2, "tanh")), 1.0)
    autoencoder = Autoencoder(sequential(contractive), sequential(layers.Dense(3), size=2))
    inputs = keras.Input((3,))
    for model in (autoencoder, keras.Model(inputs, autoencoder(inputs))):
        kinds = [step["kind"] for step in read_dense(model)[0]]
        assert kinds == ["dense", "tanh", "dense"]


def test_a_subclass_with_a_call_of_its_own_is_not_read_as_its_parts():
    class Doubled(Autoencoder):
        def call(self, x, training=None):
            return 2 * super().call(x, training=training)

    halves = sequential(layers.Dense(2)), sequential(layers.Dense(3), size=2)
    with pytest.raises(UnsupportedLayer, match="Doubled 'twice' has a `call` of its own"):
        read_dense(Doubled(*halves, name="twice"))


def test_the_tail_of_an_autoencoder_can_be_read():
    x = keras.Input((9,))
    code = layers.Dense(3, name="code")(x)
    autoencoder = keras.Model(x, layers.Dense(9, "sigmoid", name="x_hat")(code))
    decoder = keras.Model(code, autoencoder.output)
    _, weights = read_dense(decoder)
    kernel, bias = autoencoder.get_layer("x_hat").get_weights()
    np.testing.assert_array_equal(weights, np.concatenate([kernel.ravel(), bias]))


class MyDense(layers.Dense):
    """Stands for any subclass, which may compute something else."""


class MyModel(keras.Sequential):
    def call(self, inputs, training=None, mask=None):
        return -super().call(inputs, training=training, mask=mask)


def branched():
    code = keras.Input((3,))
    hidden = layers.Dense(4)(code)
    return keras.Model(code, layers.Add(name="join")([hidden, hidden]))


def bare_operation():
    code = keras.Input((3,))
    return keras.Model(code, keras.ops.square(layers.Dense(4)(code)))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (sequential(layers.Dense(4, "softmax", name="last")), "Dense 'last' has the .* softmax"),
        (sequential(layers.Dense(4, lambda x: x, name="odd")), "Dense 'odd' has the activation"),
        (sequential(layers.Dense(4, layers.ELU(), name="e")), "Dense 'e' has the activation ELU"),
        (
            sequential(
                layers.Dense(
                    4, functools.partial(keras.activations.relu, max_value=1), name="capped"
                )
            ),
            "Dense 'capped' has the activation relu with max_value",
        ),
        (sequential(layers.ReLU(max_value=6, name="six")), "ReLU 'six' has a max_value"),
        (sequential(layers.LayerNormalization(name="norm")), "LayerNormalization 'norm'"),
        (sequential(MyDense(4, name="mine")), "MyDense 'mine'"),
        (
            sequential(layers.Reshape((3, 1)), layers.Dense(4, name="wide")),
            r"Dense 'wide' is applied to an input of shape \(3, 1\)",
        ),
        (sequential(layers.Dense(4, dtype="mixed_bfloat16", name="half")), "'half' computes in"),
        (branched(), "Add 'join' has several inputs"),
        (bare_operation(), "Square"),
        (MyModel([keras.Input((3,)), layers.Dense(4)], name="own"), "MyModel 'own' has a `call`"),
    ],
)
def test_what_the_browser_cannot_evaluate_is_refused_by_name(model, message):
    with pytest.raises(UnsupportedLayer, match=message):
        read_dense(model)


def test_the_explorer_refuses_too_when_told_to_use_the_browser():
    model = sequential(layers.Dense(4, "softmax", name="last"))
    message = r"""evaluate="browser" is not possible: Dense 'last' has the activation softmax\.$"""
    with pytest.raises(ValueError, match=message):
        LatentExplorer(model, evaluate="browser")
