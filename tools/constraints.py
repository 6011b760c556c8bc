"""Refresh constraints.txt: `make constraints`, then `make test` with every Python it names.

Installs what pyproject.toml asks for into a new environment, without today's constraints, and
writes down the exact versions. The extra `gpu` is left out: its packages are for one kind of
machine.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def requirements(project: dict) -> list[str]:
    """Everything that pyproject.toml's table `project` asks for, but for the extra `gpu`."""
    extras = project["optional-dependencies"]
    asked = [text for name, texts in extras.items() if name != "gpu" for text in texts]
    return [*project["dependencies"], *asked]


def updated(constraints: str, frozen: str) -> str:
    """The file's text with what `pip freeze` printed below its heading.

    Raises:
        ValueError: if a line is anything but a name and an exact version.
    """
    heading = [line for line in constraints.splitlines() if line.startswith("#")]
    pins = frozen.splitlines()
    for pin in pins:
        if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", pin):
            raise ValueError(f"pip freeze must print name==version on each line, got {pin!r}")
    return "\n".join([*heading, *pins, ""])


def main() -> None:
    """Write the file anew."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    file = ROOT / "constraints.txt"
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        pip = [python, "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", *requirements(project)], check=True)
        frozen = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout
    text = updated(file.read_text(encoding="utf-8"), frozen)
    file.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
