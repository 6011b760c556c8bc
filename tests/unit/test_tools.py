"""The tools: a new lecture's skeleton, and the refreshed constraints."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from PIL import Image

from tools import constraints
from tools.index_picture import index_picture
from tools.new_lecture import new_lecture
from tools.notebook_text import notebook_text

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def course(tmp_path):
    """The parts of a course that a new lecture touches, without its lectures' contents."""
    images = tmp_path / "notebooks" / "images"
    images.mkdir(parents=True)
    for page in ("README.md", "notebooks/README.md"):
        shutil.copy(ROOT / page, tmp_path / page)
    for name in ("05_sparse_autoencoder", "07_denoising_autoencoder"):
        (tmp_path / "notebooks" / f"{name}.ipynb").touch()
    return tmp_path


def test_a_new_lecture_gets_its_notebook_picture_and_rows(course):
    path = new_lecture("97_some_topic", "Some topic: why", course)
    assert path == course / "notebooks" / "97_some_topic.ipynb"
    lecture = nbformat.read(path, as_version=4)
    nbformat.validate(lecture)
    assert lecture.cells[0].source.startswith("# 97 · Some topic: why\n")
    assert not [cell for cell in lecture.cells if cell.cell_type == "code" and cell.outputs]
    assert (course / "notebooks" / "images" / "97_some_topic.png").stat().st_size < 5000
    for page, link in (
        ("README.md", "| 97 | [Some topic: why](notebooks/97_some_topic.ipynb) |"),
        ("notebooks/README.md", "| [97 · Some topic: why](97_some_topic.ipynb) |"),
    ):
        before = (ROOT / page).read_text(encoding="utf-8").split("\n")
        after = (course / page).read_text(encoding="utf-8").split("\n")
        (row,) = (line for line in after if line not in before)
        assert link in row
        at = after.index(row)
        assert after[:at] + after[at + 1 :] == before
        assert ".ipynb)" in after[at - 1]
        assert after[at - 1].count("|") == row.count("|")


def test_a_lecture_between_others_gets_a_row_between_theirs(course):
    (course / "README.md").write_text("| 05 | [a](a) | b | c |\n| 07 | [d](d) | e | f |\n\nend\n")
    new_lecture("06_between", "Between", course)
    rows = (course / "README.md").read_text(encoding="utf-8").split("\n")
    assert [row[:4] for row in rows] == ["| 05", "| 06", "| 07", "", "end", ""]


@pytest.mark.parametrize(
    ("name", "title", "said"),
    [
        ("05_other", "Other", "the number 05 is taken: notebooks/05_sparse_auto"),
        ("97_denoising_autoencoder", "Other", "the topic denoising_autoencoder is taken:"),
        ("some_topic", "Other", "a lecture is called NN_topic, .*; got 'some_topic'"),
        ("97_Some_Topic", "Other", "a lecture is called NN_topic"),
        ("97_../../etc", "Other", "a lecture is called NN_topic"),
        ("97_topic", " ", "title must be one line of text"),
        ("97_topic", "a | b", "title must be one line of text"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_lecture_is_refused_and_nothing_written(course, name, title, said):
    before = {path: path.read_bytes() for path in course.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=said):
        new_lecture(name, title, course)
    assert before == {path: path.read_bytes() for path in course.rglob("*") if path.is_file()}


@pytest.mark.medium
def test_the_command_says_it_in_one_sentence():
    command = [sys.executable, "-m", "tools.new_lecture", "05_other", "Other"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("new_lecture: the number 05 is taken: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_skeleton_is_a_lecture_once_it_is_executed_and_written(tmp_path):
    """It runs, and then passes every test of a saved lecture but the one about TODO."""
    leave = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for part in ("notebooks", "tests/notebooks", "tools"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=leave)
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    lecture = new_lecture("97_some_topic", "Some topic", tmp_path)
    pages = lecture, tmp_path / "README.md", tmp_path / "notebooks" / "README.md"

    def run(*command):
        command = [sys.executable, "-m", *map(str, command)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    executed = run("tools.execute", lecture)
    assert executed.returncode == 0, executed.stderr
    test = ("pytest", "-q", "-p", "no:cacheprovider", "tests/notebooks", "-k", "97 or index")
    test = (*test, "-m", "not slow")  # its training is too short for JAX, and all others too long
    unwritten = run(*test)
    assert unwritten.returncode == 1
    assert "3 failed" in unwritten.stdout, unwritten.stdout  # a page each
    pictured = run("tools.index_picture", lecture, "picture")
    assert pictured.returncode == 0, pictured.stderr
    for page in pages:
        page.write_text(page.read_text(encoding="utf-8").replace("TODO", "x"), encoding="utf-8")
    written = run(*test)
    assert written.returncode == 0, written.stdout


def test_a_picture_of_the_index_comes_from_a_saved_figure(tmp_path):
    (tmp_path / "images").mkdir()
    lecture = shutil.copy(ROOT / "notebooks" / "09_variational_autoencoder.ipynb", tmp_path)
    path = index_picture(Path(lecture), "manifold")
    assert path == tmp_path / "images" / "09_variational_autoencoder.png"
    assert path.stat().st_size <= 30_000
    with Image.open(path) as picture:
        assert (picture.format, picture.width) == ("PNG", 300)
    with pytest.raises(ValueError, match="has no cell 'nowhere'; it has title, setup"):
        index_picture(Path(lecture), "nowhere")
    with pytest.raises(ValueError, match=r"the cell 'setup' of .* has no saved figure"):
        index_picture(Path(lecture), "setup")


def test_a_notebook_as_text_has_all_sources_and_no_output():
    path = ROOT / "notebooks" / "00_start_here.ipynb"
    text = notebook_text(path)
    for cell in nbformat.read(path, as_version=4).cells:
        assert f"%% {cell.id} [{cell.cell_type}]\n{cell.source}\n\n" in text
    assert len(text) < path.stat().st_size / 3
    assert "image/png" not in text


def test_constraints_come_from_everything_but_the_gpu_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {Requirement(text).name for text in constraints.requirements(project)}
    assert {"keras", "pytest", "nbgrader"} <= names
    assert not any(
        Requirement(text).extras or "nvidia" in text for text in constraints.requirements(project)
    )


def test_constraints_keep_their_heading_and_take_exact_versions_only():
    today = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    heading, _, pins = today.partition("\n")
    assert constraints.updated(today, pins) == today
    assert (
        constraints.updated(today, "a==1\nB_c==2.0.post1\n") == f"{heading}\na==1\nB_c==2.0.post1\n"
    )
    for line in ("keras @ file:///tmp/keras", "-e .", "keras>=3"):
        with pytest.raises(ValueError, match="must print name==version on each line, got"):
            constraints.updated(today, f"a==1\n{line}\n")
