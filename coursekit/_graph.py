"""Reads a built Keras model as a chain of layers."""

import keras

from coursekit import layers

# Exact types: a subclass may compute something else.
_IDLE_OUTSIDE_TRAINING = {
    keras.layers.ActivityRegularization, keras.layers.Dropout, keras.layers.GaussianDropout,
    keras.layers.GaussianNoise, keras.layers.Identity, layers.GaussianCorruption,
    layers.MaskingCorruption, layers.SaltAndPepperCorruption,
}  # fmt: skip


class UnsupportedLayer(ValueError):
    """A model holds a layer that cannot be read; the message names it."""

    def __init__(self, layer, why):
        super().__init__(f"{type(layer).__name__} {layer.name!r} {why}")


def links(model, **options):
    """What a chain of layers computes outside training: [(layer, options of its call), ...].

    Nested models are unfolded, layers that do nothing left out. A class whose `call` only calls
    others in turn may say so beside it: ``chain = ("encoder", "decoder")`` names them in that
    order. Raises `UnsupportedLayer` for any other `call` than Keras' own, and for branches.
    """
    owner = next(cls for cls in type(model).__mro__ if "call" in vars(cls))
    if "chain" in vars(owner):
        return [link for part in owner.chain for link in links(getattr(model, part), **options)]
    if not isinstance(model, keras.Model):
        idle = type(model) in _IDLE_OUTSIDE_TRAINING and not options.get("training")
        return [] if idle else [(model, options)]
    if owner.__module__.split(".")[0] != "keras":  # it may do anything: its layers do not tell
        raise UnsupportedLayer(model, "has a `call` of its own: no Sequential or functional model")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UnsupportedLayer(model, "has several inputs or outputs")
    chain, tensor = [], model.outputs[0]
    while tensor is not model.inputs[0]:
        layer, node_index, _ = tensor._keras_history
        node = layer._inbound_nodes[node_index]
        if len(node.input_tensors) != 1 or len(node.output_tensors) != 1:
            raise UnsupportedLayer(layer, "has several inputs or outputs")
        chain[:0] = links(layer, **{**options, **node.arguments.kwargs})
        tensor = node.input_tensors[0]
    return chain
