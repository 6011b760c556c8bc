"""What the course's widgets share on the Python side."""

from pathlib import Path

import anywidget
import keras
import numpy as np
import traitlets as t

from coursekit.widgets._dense import UnsupportedLayer, read_dense

_HERE = Path(__file__).parent


def read_sources(*names):
    """The named files beside this one, joined: anywidget loads one module and one style sheet."""
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


class CourseWidget(anywidget.AnyWidget):
    """A widget of the course: its state is in traits, its pictures are drawn by its `.js`."""

    _css = read_sources("course.css")

    #: Whether a move needs an answer from Python; such a widget cannot live on a static page.
    needs_kernel = False

    def __repr__(self):
        # The text that a saved notebook shows where no kernel runs.
        return f"{type(self).__name__}: run this cell to move it."


class ModelWidget(CourseWidget):
    """Shows what a Keras model makes of numbers that the hand chooses.

    `_role` is what messages call the model. `_checked_input` turns the numbers that the browser
    sends into one input of the model, or raises `ValueError`.
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
    def needs_kernel(self):
        return self.evaluation == "kernel"

    def _take(self, model):
        """Keep the model, or say why not."""
        role = self._role
        if not isinstance(model, keras.Model):
            raise TypeError(f"{role} must be a Keras model, got {type(model).__name__}")
        inputs, outputs = (getattr(model, ends, None) or () for ends in ("inputs", "outputs"))
        if len(inputs) > 1 or len(outputs) > 1:
            raise ValueError(
                f"{role} must have one input and one output, "
                f"got {len(inputs)} inputs and {len(outputs)} outputs"
            )
        for weight in model.weights:
            if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
                raise ValueError(f"{role} must have finite weights, got others in {weight.path!r}")
        self._model = model

    def _evaluate(self, inputs):
        """What the model makes of a batch, as NumPy."""
        outputs = self._model(np.asarray(inputs, dtype="float32"), training=False)
        outputs = keras.ops.convert_to_numpy(outputs)
        if not np.isfinite(outputs).all():
            raise ValueError(f"{self._role} must give finite images, got NaN or infinity")
        return outputs

    def _in_browser(self, evaluate, allowed=("auto", "browser", "kernel")):
        """The traits by which the browser evaluates the model, or none and the reason."""
        if evaluate not in allowed:
            raise ValueError(f"evaluate must be one of {allowed}, got {evaluate!r}")
        if evaluate not in ("auto", "browser"):
            return {}, ""
        try:
            steps, weights = read_dense(self._model)
        except UnsupportedLayer as refused:
            if evaluate == "browser":
                raise
            return {}, f" ({refused})"
        return {"evaluation": "browser", "_steps": steps, "_weights": weights.tobytes()}, ""

    def _answer(self, _, content, buffers):
        try:
            image = self._evaluate(self._checked_input(content["input"])[None])
        except ValueError as error:  # without an answer the browser would wait for good
            self.send({"view": content["view"], "error": str(error)})
        else:
            self.send({"view": content["view"]}, [image.astype("<f4").tobytes()])


def by_kernel(done, because):
    """The traits by which the kernel evaluates the model; `done` is the verb of the notice."""
    notice = f"{done} by the kernel, so it moves only while the kernel is free{because}."
    return {"evaluation": "kernel", "notice": notice}
