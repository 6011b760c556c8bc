"""The house rules of the package, read off its sources."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "coursekit"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")

# A module may import from its own floor or a lower one.
FLOORS = [
    {"_validate", "runtime", "_display", "_workers", "gradients", "datasets", "expectations"},
    {"checks", "sweeps", "plots"},
    {"layers", "_graph", "callbacks", "digits", "regularizers", "losses", "priors"},
    {"models"},
    {"metrics"},
    {"widgets"},
]
FLOOR = {name: height for height, names in enumerate(FLOORS) for name in names}


def imported(path):
    """Dotted names that the module at `path` imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative imports hide where a name comes from"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    own = part_of(path)
    assert own in FLOOR, f"give {own} a floor in this test and on the architecture page"
    for name in imported(path):
        top, *rest = name.split(".")
        assert top not in ("tests", "notebooks", "benchmarks", "instructor"), name
        if top == "coursekit":
            assert rest, f"{path.name} imports the whole package, itself included"
            assert rest[0] in FLOOR, name
            assert FLOOR[rest[0]] <= FLOOR[own], f"{own} may not import {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_backends_are_imported_in_runtime_alone(path):
    backends = {name.split(".")[0] for name in imported(path)} & {"tensorflow", "jax", "torch"}
    assert not backends or part_of(path) in ("runtime", "gradients")
