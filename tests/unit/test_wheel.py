"""The wheel that a student installs: the course's package and data, and nothing of an instructor's.

It is tried in an environment of its own, which has the packages that it depends on and neither the
repository nor its editable installation.
"""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import coursekit

ROOT = Path(__file__).resolve().parents[2]


def run(*command, cwd):
    """What a command prints; an error if it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder))
    run(*build, str(ROOT), cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def student(wheel, tmp_path_factory):
    """Run Python code where the wheel is installed: isolated, in a folder of its own."""
    home = tmp_path_factory.mktemp("student")
    run(sys.executable, "-m", "venv", "--without-pip", str(home / "venv"), cwd=home)
    python = home / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet")
    run(*pip, "--no-index", "--no-deps", str(wheel), cwd=home)
    installed = run(
        *(str(python), "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"),
        cwd=home,
    )
    # A path that is named in a .pth file brings no .pth file of its own: no editable installation.
    Path(installed.strip(), "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return lambda code: run(str(python), "-I", "-c", code, cwd=home)


def imports():
    """Every import in the notebooks that students get, as a line."""
    lines = set()
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                source = re.sub(r"^\s*[%!].*", "", "".join(cell["source"]), flags=re.M)
                for node in ast.walk(ast.parse(source)):
                    if isinstance(node, ast.Import | ast.ImportFrom):
                        lines.add(ast.unparse(node))
    return sorted(lines)


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_data_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    metadata = {
        name for name in names if name.startswith(f"coursekit-{coursekit.__version__}.dist-info/")
    }
    assert all(name.startswith("coursekit/") for name in set(names) - metadata)
    tops = {name.split("/")[1] for name in set(names) - metadata}
    assert not tops & {"tests", "grader", "instructor", "tools", "benchmarks", "notebooks"}
    assert not [name for name in names if re.search(r"exercises|checks\.npz|\.ipynb|\.pyc", name)]
    for path in (*ROOT.glob("data/*"), *ROOT.glob("coursekit/**/*")):
        if path.is_file() and "__pycache__" not in path.parts:
            inside = path.relative_to(ROOT).as_posix()
            assert ("" if inside.startswith("coursekit/") else "coursekit/") + inside in names


@pytest.mark.slow
def test_every_import_of_the_notebooks_works_with_the_wheel_alone(student):
    lines = imports()
    assert "import coursekit as ck" in lines
    show = ["print(ck.__file__)", "print(ck.datasets.mnist().train.x.shape)"]
    told = student("\n".join([*lines, *show]))
    where, shape = told.splitlines()[-2:]
    assert str(ROOT) not in where
    assert ast.literal_eval(shape)[1:] == (784,)


@pytest.mark.slow
def test_the_grader_cannot_be_imported(student):
    names = ("grader", "instructor")
    code = f"from importlib.util import find_spec; print([n for n in {names} if find_spec(n)])"
    assert student(code).strip() == "[]"


def test_the_notebooks_import_only_what_the_course_depends_on():
    """Not what is there only because the tests need it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    providers = importlib.metadata.packages_distributions()
    for line in imports():
        node = ast.parse(line).body[0]
        names = [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        for top in {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"coursekit"}:
            assert needed & set(map(canonicalize_name, providers[top])), line
