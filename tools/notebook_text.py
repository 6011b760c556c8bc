"""Print a notebook's cells without their outputs: what `git diff` can compare (CONTRIBUTING.md)."""

import json
import sys
from pathlib import Path


def notebook_text(path: str) -> str:
    """Each cell's id, kind and source."""
    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    return "".join(
        f"%% {cell['id']} [{cell['cell_type']}]\n{''.join(cell['source'])}\n\n" for cell in cells
    )


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    print(notebook_text(sys.argv[1]), end="")
