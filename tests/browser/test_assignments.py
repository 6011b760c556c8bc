"""An assignment in Chromium: made in the formgrader, and run in JupyterLab with blank answers."""

import shutil

import pytest
from jupyter_pages import ROOT, TOKEN, Jupyter

NAME = "05_sparse"
STUDENT = f"notebooks/assignments/{NAME}/{NAME}.ipynb"
NOTEBOOK = "jupyterapp.shell.currentWidget.context.model.toJSON()"
ALL_RAN = f"""() => {NOTEBOOK}.cells.every(
  (cell) => cell.cell_type !== "code" || cell.execution_count)"""
GO_TO = """(id) => {
  const { content } = window.jupyterapp.shell.currentWidget;
  content.activeCellIndex = content.widgets.findIndex((cell) => cell.model.id === id);
  return content.scrollToItem(content.activeCellIndex, "center");
}"""


@pytest.fixture(scope="module")
def course(chromium_path, tmp_path_factory):
    """A server over a copy of what nbgrader reads, so that its gradebook is not the course's."""
    pytest.importorskip("nbgrader", reason="no nbgrader found: the extra `instructor` provides it")
    folder = tmp_path_factory.mktemp("course")
    root = folder / "notebooks"
    for part in (f"instructor/{NAME}", f"notebooks/assignments/{NAME}"):
        leave = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(ROOT / part, root / part, ignore=leave)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    server = Jupyter(folder)  # started as `make lab` does it, in no activated environment
    yield server
    server.stop()


def test_the_formgrader_lists_the_assignment_and_generates_the_student_version(course, page):
    page.goto(f"{course.url}formgrader?token={TOKEN}")
    row = page.locator("#main-table tr", has_text=NAME)
    row.wait_for()
    assert page.locator("#main-table tr").count() == 1
    assert row.locator(".status").inner_text() == "draft"
    row.locator(".assign a").click()
    page.get_by_text("Successfully created").wait_for(timeout=30_000)
    row.locator(".preview a").wait_for()  # the list knows of it
    made = course.folder / "gradebook" / "release" / NAME
    assert {path.name for path in made.iterdir()} == {f"{NAME}.ipynb", "checks.npz"}
    for path in made.iterdir():
        assert path.read_bytes() == (ROOT / STUDENT).with_name(path.name).read_bytes()


def test_a_blank_assignment_runs_to_its_end_and_each_check_says_one_sentence(course, page):
    course.run_all(page, STUDENT)
    page.wait_for_function(ALL_RAN, timeout=60_000)  # between two cells the kernel is idle too
    cells = [cell for cell in page.evaluate(NOTEBOOK)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    checks = [cell for cell in cells if cell["id"].endswith("-check")]
    assert len(checks) == 5
    for cell in checks:
        name = cell["id"].removesuffix("-check").replace("-", "_")
        (output,) = cell["outputs"]
        (sentence,) = output["traceback"]
        assert sentence.startswith(f"✗ {name} is not written yet"), sentence
        page.evaluate(GO_TO, cell["id"])
        shown = page.locator(".jp-OutputArea-output", has_text=f"✗ {name}")
        shown.wait_for()
        assert shown.inner_text().strip() == sentence
