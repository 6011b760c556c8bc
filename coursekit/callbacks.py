"""Keras callbacks: progress on one line, a film strip of samples, an end where a loss is NaN."""

import io
import itertools
import math
import time
from collections.abc import Callable, Sequence

import keras
import matplotlib.style
import numpy as np

from coursekit import _display, _validate, plots

__all__ = ["FilmStrip", "Progress", "StopAtNaN"]


class Progress(keras.callbacks.Callback):
    """One line that moves while `fit` runs and ends as a summary of losses.

    Use it as ``model.fit(..., verbose=0, callbacks=[Progress("name")])``. In a notebook and in a
    terminal the line is replaced in place; what stays, and all that a file gets, is the summary.
    """

    def __init__(self, name: str = "training"):
        super().__init__()
        self.name = name

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._line, self._shown = _display.ProgressLine(self.name), time.monotonic()
        self._epoch, self._first, self._last = None, None, {}

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if self._first is None:
            self._first = epoch  # fit's initial_epoch
        self._epoch = epoch
        self._show(0, logs)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if time.monotonic() - self._shown >= 0.2:
            self._shown = time.monotonic()
            steps = self.params["steps"]
            self._show(min((batch + 1) / steps, 1) if steps else 0, logs)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._last = logs or {}

    def on_train_end(self, logs: dict | None = None) -> None:
        epochs = 0 if self._epoch is None else self._epoch + 1 - self._first
        self._line.end(f"{epochs} epoch{'s' if epochs != 1 else ''}, {_losses(self._last)}")

    def _show(self, within, logs):
        done = (self._epoch - self._first + within) / (self.params["epochs"] - self._first)
        losses = f", {_losses(logs)}" if logs else ""
        self._line.show(done, f"epoch {self._epoch + 1} of {self.params['epochs']}{losses}")


class FilmStrip(keras.callbacks.Callback):
    """Rows of images drawn while `fit` runs: how a model's samples change as it learns. Lecture 11.

    Use it as ``model.fit(..., callbacks=[FilmStrip(lambda: model.decode(z), steps)])`` with one z,
    so that a column shows one code. In a notebook the strip grows in place, and one figure is
    saved; anywhere, `figure` is the last one drawn, and `rows` a dict from the number of steps to
    the images drawn then. Other arguments raise a TypeError or ValueError.

    Args:
        draw: function without arguments that gives the images of one row.
        steps: after how many training steps to draw a row, increasing, 0 being the beginning; a row
            waits for the end of an execution (`steps_per_execution`). The end is always drawn.
    """

    def __init__(self, draw: Callable[[], np.ndarray], steps: Sequence[int]):
        super().__init__()
        if not callable(draw):
            raise TypeError(f"draw must be a function without arguments, got {draw!r}.")
        steps = [_validate.whole("steps", step, at_least=0) for step in steps]
        if any(later <= step for step, later in itertools.pairwise(steps)):
            raise ValueError(f"steps must increase, got {steps}.")
        self.draw, self.steps, self.rows, self.figure = draw, steps, {}, None

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._handle = _display.display_handle()
        self._step = self._epoch_began = 0
        self._waiting, self.rows = list(self.steps), {}
        self._draw_if_due()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch_began = self._step

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._step = self._epoch_began + batch + 1
        self._draw_if_due()

    def on_train_end(self, logs: dict | None = None) -> None:
        if self._step not in self.rows:
            self._draw()

    def _draw_if_due(self):
        if self._waiting and self._step >= self._waiting[0]:
            self._waiting = [step for step in self._waiting if step > self._step]
            self._draw()

    def _draw(self):
        self.rows[self._step] = np.array(self.draw())
        self.figure = plots.image_rows({f"step {step:,}": row for step, row in self.rows.items()})
        if self._handle is not None:
            file = io.BytesIO()
            with matplotlib.style.context("coursekit.course"):
                self.figure.savefig(file, format="png", bbox_inches="tight")
            shown = {"image/png": file.getvalue(), "text/plain": repr(self.figure)}
            self._handle.update(shown, raw=True)


class StopAtNaN(keras.callbacks.Callback):
    """Raises, with a sentence, when a loss of an adversarial model is no longer finite."""

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._epoch, self._looked = 0, time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        # To look is to wait for an accelerator, and a NaN stays in the epoch's mean.
        if time.monotonic() - self._looked > 0.2:
            self._looked = time.monotonic()
            self._look(logs)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._look(logs)

    def _look(self, logs):
        for name in ("reconstruction", "discriminator_loss", "generator_loss", "loss"):
            value = float((logs or {}).get(name, 0))
            if not math.isfinite(value):
                stopped = f"Training of {self.model.name} stopped in epoch {self._epoch + 1}"
                raise ArithmeticError(
                    f"{stopped}: {name} is {value}. Look at the data (finite, in [0, 1]?), then "
                    "try a lower learning rate."
                )


def _losses(logs):
    return ", ".join(f"{key} {float(value):.4g}" for key, value in logs.items())
