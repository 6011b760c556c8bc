"""The house rules that no linter reads, and a proof that `lint-imports` reads the others."""

import functools
import importlib
import inspect
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COURSEKIT = sorted((ROOT / "coursekit").rglob("*.py"))
GRADER = sorted((ROOT / "grader").rglob("*.py"))


def dotted(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# The grader is for Linux, and in an extra of its own.
MODULES = map(dotted, COURSEKIT + (GRADER if sys.platform == "linux" else []))
PUBLIC = [name for name in MODULES if not re.search(r"\._(?!_main)", name)]


def is_ours(member):
    member = inspect.unwrap(member)  # of a cache
    return inspect.isfunction(member) and member.__module__.startswith(("coursekit", "grader"))


def functions(name, value):
    """(name, function) of a public function, or of a class's own public methods."""
    if is_ours(value):
        yield name, value
    for attribute, member in vars(value).items() if inspect.isclass(value) else ():
        for wrapped in ("__func__", "fget", "func"):  # of class methods and properties
            member = getattr(member, wrapped, member)
        public = not attribute.startswith("_") or attribute in ("__call__", "__init__")
        if public and is_ours(member):
            yield f"{name}.{attribute}", member


def unannotated(name, function):
    """What a function's signature leaves open."""
    signature = inspect.signature(function)
    if signature.return_annotation is signature.empty and not name.endswith("__init__"):
        yield f"{name}: what it returns"
    for parameter in signature.parameters.values():
        if parameter.annotation is parameter.empty and parameter.name not in ("self", "cls"):
            yield f"{name}: {parameter.name}"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_module_says_what_is_public(name):
    module = importlib.import_module(name)
    assert hasattr(module, "__all__"), f"{name} has no __all__"
    assert len(set(module.__all__)) == len(module.__all__)
    assert not [missing for missing in module.__all__ if not hasattr(module, missing)]


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_public_is_annotated(name):
    module = importlib.import_module(name)
    found = [
        pair for public in module.__all__ for pair in functions(public, getattr(module, public))
    ]
    assert not [missing for pair in found for missing in unannotated(*pair)]


def test_the_test_of_annotations_sees_methods_properties_and_caches():
    class Example:
        def __init__(self, a, *args: int):
            pass

        @functools.cached_property
        def size(self):
            pass

        @classmethod
        def of(cls, x: int, **options) -> "Example":
            pass

        def _private(self, y):
            pass

    @functools.cache
    def cached(x) -> int:
        return x

    of, size = vars(Example)["of"].__func__, vars(Example)["size"].func
    for member in (Example.__init__, size, of, Example._private, cached.__wrapped__):
        member.__module__ = "coursekit.example"
    found = [*functions("Example", Example), *functions("cached", cached)]
    assert [missing for pair in found for missing in unannotated(*pair)] == [
        "Example.__init__: a",
        "Example.size: what it returns",
        "Example.of: options",
        "cached: x",
    ]


@pytest.mark.parametrize("path", COURSEKIT, ids=dotted)
def test_a_module_of_coursekit_is_short_and_does_not_import_all_of_it(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 450
    # `coursekit/__init__.py` would import that module again: a cycle that works by luck
    assert not re.search(r"^\s*import coursekit( as |$)", source, re.MULTILINE)


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("coursekit/losses.py", "from coursekit.models import GAN", "own floor or a lower one"),
        ("coursekit/runtime.py", "from grader import exercises", "never the other way"),
        ("coursekit/losses.py", "from coursekit import layers", "No import cycles"),
        ("coursekit/new.py", "", "own floor or a lower one"),
    ],
)
def test_lint_imports_notices(tmp_path, file, line, broken):
    ignore = shutil.ignore_patterns("__pycache__")
    for package in ("coursekit", "grader"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "coursekit" / "layers.py").open("a") as module:
        module.write("\nfrom coursekit import losses\n")  # alone allowed: the same floor
    with (tmp_path / file).open("a") as module:
        module.write(f"\n{line}\n")
    command = [Path(sysconfig.get_path("scripts"), "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert re.search(rf"{broken}\s+BROKEN", done.stdout), done.stdout
