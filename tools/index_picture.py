"""Make a lecture's picture in the index from one of its saved figures.

``python -m tools.index_picture notebooks/15_some_topic.ipynb picture`` takes the last figure of the
cell `picture` and writes notebooks/images/15_some_topic.png, 300 pixels wide.
"""

import argparse
import base64
import io
from pathlib import Path

import nbformat
from PIL import Image

WIDTH, MOST_BYTES = 300, 30_000


def index_picture(notebook: Path, cell_id: str) -> Path:
    """Write the picture; return its path.

    Raises:
        ValueError: if there is no such cell, or it has no saved figure, or it takes more than 30 kB
            even in 16 colors.
    """
    cells = {cell.id: cell for cell in nbformat.read(notebook, as_version=4).cells}
    if cell_id not in cells:
        raise ValueError(f"{notebook} has no cell {cell_id!r}; it has {', '.join(cells)}")
    outputs = [output.get("data", {}) for output in cells[cell_id].get("outputs", ())]
    figures = [data["image/png"] for data in outputs if "image/png" in data]
    if not figures:
        raise ValueError(f"the cell {cell_id!r} of {notebook} has no saved figure")
    figure = Image.open(io.BytesIO(base64.b64decode(figures[-1]))).convert("RGB")
    size = (WIDTH, round(figure.height * WIDTH / figure.width))
    smaller = figure.resize(size, Image.Resampling.LANCZOS)
    for colors in (256, 64, 16):
        file = io.BytesIO()
        smaller.quantize(colors).save(file, "PNG", optimize=True)
        if len(file.getvalue()) <= MOST_BYTES:
            break
    else:
        raise ValueError(f"the figure of {cell_id!r} takes more than {MOST_BYTES:,} bytes")
    path = notebook.parent / "images" / f"{notebook.stem}.png"
    path.write_bytes(file.getvalue())
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("cell", help="the id of the cell")
    given = parser.parse_args()
    try:
        print(index_picture(given.notebook, given.cell))
    except ValueError as error:
        raise SystemExit(f"index_picture: {error}.") from None
