"""The index of the lectures names each of them, and whatever it names is there."""

import re
from pathlib import Path

import nbformat
import pytest
from PIL import Image

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
LECTURES = sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
INDEX = (NOTEBOOKS / "README.md").read_text(encoding="utf-8")

LINKS = re.findall(r"\]\((?!https?:|#)([^)#\s]+)(?:#([^)\s]+))?\)", INDEX)
PICTURES = re.findall(r'<img src="([^"]+)" width="\d+" alt="([^"]*)">', INDEX)


@pytest.mark.parametrize("lecture", LECTURES)
def test_a_lecture_has_its_row_and_its_picture(lecture):
    rows = [
        line
        for line in INDEX.splitlines()
        if re.search(rf"\[\d\d · [^]]+\]\({lecture}\.ipynb\)", line)
    ]
    assert len(rows) == 1, f"notebooks/README.md has {len(rows)} rows for {lecture}"
    assert f'<img src="images/{lecture}.png"' in rows[0]


@pytest.mark.parametrize("page", [NOTEBOOKS / "README.md", NOTEBOOKS.parent / "README.md"])
def test_nothing_is_left_to_be_written(page):
    assert "TODO" not in page.read_text(encoding="utf-8")


def test_what_the_index_links_to_exists():
    assert len(LINKS) > len(LECTURES)
    missing = sorted({target for target, _ in LINKS if not (NOTEBOOKS / target).exists()})
    assert not missing


def test_named_cells_exist():
    """A link that names a cell is written lecture.ipynb#cell-id=name, and shows that name."""
    named = re.findall(r"\[`([^`]+)`\]\(([^)#]+)#cell-id=([^)]+)\)", INDEX)
    assert len(named) == sum(bool(fragment) for _, fragment in LINKS) > 100
    ids = {
        file: {cell.id for cell in nbformat.read(NOTEBOOKS / file, as_version=4).cells}
        for file in {file for _, file, _ in named}
    }
    wrong = [
        f"{file} {cell}" for shown, file, cell in named if shown != cell or cell not in ids[file]
    ]
    assert not wrong


def test_a_lecture_number_beside_cells_is_that_of_the_notebook():
    runs = re.findall(r"(\d\d) ((?:\[`[^`]+`\]\([^)]+\) ?)+)", INDEX)
    assert len(runs) > 50
    for number, links in runs:
        assert {target[:2] for target in re.findall(r"\]\(([^)]+)\)", links)} == {number}, links


def test_pictures_are_small_and_described():
    assert len(PICTURES) >= len(LECTURES)
    for file, description in PICTURES:
        path = NOTEBOOKS / file
        assert path.stat().st_size <= 30_000, file
        with Image.open(path) as picture:
            assert (picture.format, picture.width) == ("PNG", 300), file
        assert description, f"{file} has no alt text"
    assert {NOTEBOOKS / file for file, _ in PICTURES} == set((NOTEBOOKS / "images").iterdir())
