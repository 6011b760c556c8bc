"""What is true of every saved notebook, read as a file (nbval executes them)."""

import re
from pathlib import Path

import nbformat
import pytest

from tools.execute import CELL_METADATA, NOTEBOOK_METADATA

ROOT = Path(__file__).resolve().parents[2]
LECTURES = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@pytest.fixture(params=LECTURES, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def test_there_are_lectures():
    assert {"00_start_here", "02_basic_autoencoder"} <= {path.stem for path in LECTURES}


def test_was_run_once_from_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_outputs_hold_no_error_and_no_standard_error(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.id
            assert output.get("name") != "stderr", cell.id


def test_cell_ids_are_words(notebook):
    for cell in notebook.cells:
        assert re.fullmatch(r"[a-z]+[0-9]*(-[a-z0-9]+)*", cell.id), cell.id
        assert not re.fullmatch(r"[0-9a-f]{8}", cell.id), f"{cell.id} is a random id"


def test_metadata_is_on_the_allow_list(notebook):
    assert notebook.metadata == NOTEBOOK_METADATA
    for cell in notebook.cells:
        assert set(cell.metadata) <= CELL_METADATA, cell.id


def test_a_code_cell_is_taken_in_at_once(notebook):
    """At most 15 lines, or a tag that owns up to more."""
    for cell in code_cells(notebook):
        lines = [line for line in cell.source.split("\n") if line.strip()]
        assert len(lines) <= (25 if "long-for-a-reason" in cell.metadata.get("tags", ()) else 15), (
            cell.id
        )


def test_figures_are_png_and_the_file_is_small(request, notebook):
    path = request.node.callspec.params["notebook"]
    assert path.stat().st_size < 1_000_000
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert not {"image/svg+xml", "application/pdf"} & set(output.get("data", {})), cell.id


def test_nothing_is_left_to_be_written(notebook):
    assert not [cell.id for cell in notebook.cells if "TODO" in cell.source]


def test_every_lecture_ends_with_checked_claims(notebook):
    heading = "## What you should have seen"
    (start,) = (i for i, cell in enumerate(notebook.cells) if cell.source.startswith(heading))
    claims = [cell for cell in notebook.cells[start:] if cell.cell_type == "code"]
    assert claims
    assert all("ck.expect(" in cell.source for cell in claims)


def test_links_between_notebooks_lead_somewhere(request, notebook):
    folder = request.node.callspec.params["notebook"].parent
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", cell.source):
                assert (folder / target).exists(), f"{cell.id}: {target}"
