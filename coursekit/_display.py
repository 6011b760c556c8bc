"""Output that is replaced in place while something runs."""

import contextlib
import html
import sys
import time

__all__ = ["ProgressLine", "display_handle"]


class ProgressLine:
    """A line that is replaced in place while something runs, and ends as a summary.

    In a notebook it shows a bar, and nothing but the summary is saved; in a terminal likewise;
    where the output is a file, only the summary is written.
    """

    def __init__(self, name):
        self.name = name
        self._handle = display_handle()
        self._terminal = self._handle is None and sys.stdout.isatty()
        self._started = time.monotonic()

    def show(self, done: float, text: str) -> None:
        """Show `text` and the time left, having `done` a part from 0 to 1."""
        text = f"{self.name}: {text}"
        if done > 0.02:
            text += f", about {(time.monotonic() - self._started) * (1 / done - 1):.0f} s left"
        if self._handle is not None:
            bar = f'<progress max="1" value="{done:.3f}" aria-label="progress"></progress>'
            shown = f"{bar} <span>{html.escape(text)}</span>"
            self._handle.update({"text/plain": text, "text/html": shown}, raw=True)
        elif self._terminal:
            print(f"\r\x1b[K{text}", end="", flush=True)

    def end(self, summary: str) -> None:
        """Replace the line by the summary."""
        summary = f"{self.name}: {summary}"
        if self._handle is not None:
            self._handle.update({"text/plain": summary}, raw=True)
        else:
            print(("\r\x1b[K" if self._terminal else "") + summary)


def display_handle() -> object | None:
    """An updatable output in a notebook's cell, or None outside a notebook."""
    with contextlib.suppress(ImportError):
        from IPython import get_ipython
        from IPython.display import display

        if getattr(get_ipython(), "kernel", None) is not None:
            return display({"text/plain": ""}, raw=True, display_id=True)
    return None
