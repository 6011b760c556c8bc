"""Run notebooks from top to bottom and save them clean: `make execute NB="notebooks/02*.ipynb"`.

A notebook is saved only if every cell ran and nothing was written to standard error. What is kept
is what a reader needs: sources, outputs, cell ids, and the metadata on the allow-list below.
"""

import base64
import io
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = {"tags"}
# Names a model that dies with the kernel.
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def execute(path):
    """Execute the notebook at `path` in place; raises if a cell fails or writes an error."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in CELL_METADATA}
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                raise SystemExit(f"{path}, cell {cell.id}: standard error says\n{output.text}")
            data = output.get("data", {})
            if data.pop(WIDGET_VIEW, None) and "run this cell" not in data["text/plain"]:
                data["text/plain"] = "A slider: run this cell to move it."
            if "image/png" in data:
                data["image/png"] = smaller(data["image/png"])
            if "metadata" in output:
                output.metadata = {}
    notebook.metadata = NOTEBOOK_METADATA
    nbformat.write(notebook, path)


def smaller(png):
    """The same pixels in fewer bytes: a figure is opaque, and its encoder was in a hurry."""
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    if image.mode == "RGBA" and image.getextrema()[3] == (255, 255):
        image = image.convert("RGB")
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("usage: python -m tools.execute NOTEBOOK [NOTEBOOK ...]")
    for name in sys.argv[1:]:
        started = time.monotonic()
        execute(Path(name))
        print(f"{name}: {time.monotonic() - started:.0f} s")
