"""What the course's widgets share on the Python side."""

import numbers
from pathlib import Path

import anywidget
import numpy as np
import traitlets as t
from keras import ops

from coursekit import _validate
from coursekit._graph import UnsupportedLayer
from coursekit.widgets._dense import input_shapes, read_dense


def read_sources(*names):
    """The named files beside this one, joined: anywidget loads one module and one style sheet."""
    here = Path(__file__).parent
    return "\n".join((here / name).read_text(encoding="utf-8") for name in names)


class CourseWidget(anywidget.AnyWidget):
    """A widget of the course: its state is in traits, its pictures are drawn by its `.js`."""

    _css = read_sources("course.css")

    #: Whether a move needs an answer from Python; such a widget cannot live on a static page.
    needs_kernel: bool = False

    def __repr__(self):
        # The text that a saved notebook shows where no kernel runs.
        return f"{type(self).__name__}: run this cell to move it."


class ModelWidget(CourseWidget):
    """Shows what a Keras model makes of numbers that the hand chooses.

    `_role` is what messages call the model. `_checked_input` turns the numbers that the browser
    sends into one input of the model, or raises `TypeError` or `ValueError`.
    """

    _role = "model"

    #: Who evaluates the model: "browser", "kernel", or a way that the widget itself adds.
    evaluation = t.Unicode().tag(sync=True)
    #: What the widget says in small print; empty where there is nothing to say.
    notice = t.Unicode().tag(sync=True)

    _steps = t.List().tag(sync=True)
    _weights = t.Bytes().tag(sync=True)

    def __init__(self, **state):
        super().__init__(**state)
        self.on_msg(self._answer)

    @property
    def needs_kernel(self) -> bool:
        return self.evaluation == "kernel"

    def _take(self, model):
        """Keep the model and return the shape of the batches that it takes, or say why not."""
        role = self._role
        self._model = _validate.built_model(role, model)
        inputs, outputs = input_shapes(model), len(getattr(model, "outputs", None) or "1")
        if len(inputs) != 1 or outputs != 1:
            raise ValueError(
                f"{role} must have one input and one output, got {len(inputs)} inputs and "
                f"{outputs} outputs; a condition can be fixed in a Keras model around it."
            )
        for weight in model.weights:
            if not np.isfinite(ops.convert_to_numpy(weight)).all():
                raise ValueError(f"{role} must have finite weights, got others in {weight.path!r}.")
        return inputs[0]

    def _evaluate(self, inputs):
        """What the model makes of a batch, as NumPy."""
        outputs = ops.convert_to_numpy(self._model(np.asarray(inputs, "float32"), training=False))
        if not np.isfinite(outputs).all():
            raise ValueError(f"{self._role} must give finite images, got NaN or infinity.")
        return outputs

    def _in_browser(self, evaluate, allowed=("auto", "browser", "kernel")):
        """The traits by which the browser evaluates the model, or none and the reason."""
        if _validate.one_of("evaluate", evaluate, allowed) not in ("auto", "browser"):
            return {}, ""
        try:
            steps, weights = read_dense(self._model)
        except UnsupportedLayer as refused:
            if evaluate == "browser":
                raise ValueError(f'evaluate="browser" is not possible: {refused}.') from None
            return {}, f" ({refused})"
        return {"evaluation": "browser", "_steps": steps, "_weights": weights.tobytes()}, ""

    def _answer(self, _, content, buffers):
        try:
            image = self._evaluate(self._checked_input(content["input"])[None])
        except (TypeError, ValueError) as error:  # without an answer the browser would wait forever
            self.send({"view": content["view"], "error": str(error)})
        else:
            self.send({"view": content["view"]}, [image.astype("<f4").tobytes()])


def by_kernel(done, because):
    """The traits by which the kernel evaluates the model; `done` is the verb of the notice."""
    notice = f"{done} by the kernel, so it moves only while the kernel is free{because}."
    return {"evaluation": "kernel", "notice": notice}


def numbered(name, value, kind, count):
    """Return `value` if it is the number, from 0, of one of `count` things of a kind, or raise."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not 0 <= value < count:
        raise ValueError(f"{name} must be a {kind}, 0 to {count - 1}, got {value!r}.")
    return int(value)
