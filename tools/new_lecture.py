"""Begin a lecture: ``python -m tools.new_lecture 15_some_topic "Its title"``.

Copies tools/lecture.ipynb, which has the anatomy of every lecture (docs/architecture.md) and runs
as it is, adds a row to notebooks/README.md and to README.md, and draws a picture that holds the
place of the one in the index. What is to be written is marked TODO; the tests fail until no mark is
left.
"""

import argparse
import re
from pathlib import Path

import nbformat
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]

TEMPLATE = Path(__file__).with_name("lecture.ipynb")


def new_lecture(name: str, title: str, root: Path = ROOT) -> Path:
    """Write the skeleton of lecture `name`, "NN_topic"; return the notebook's path.

    Raises:
        ValueError: if the name is malformed or its number or topic is taken, or the title would
            break a table; nothing is written then.
    """
    if not re.fullmatch(r"\d\d(_[a-z0-9]+)+", name):
        raise ValueError(f"a lecture is called NN_topic, such as 15_some_topic; got {name!r}")
    if not title.strip() or re.search(r"[|\n\[\]]", title):
        raise ValueError(f"title must be one line of text without | or brackets, got {title!r}")
    number, topic = name.split("_", 1)
    for path in sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        taken = path.stem.split("_", 1)
        for what, mine, other in zip(("number", "topic"), (number, topic), taken, strict=True):
            if mine == other:
                raise ValueError(f"the {what} {mine} is taken: notebooks/{path.name} exists")
    picture = f'<img src="images/{name}.png" width="150" alt="TODO">'
    tables = [
        (root / "notebooks" / "README.md", r"\| <img [^|]*\| \[(\d\d) · ",
         f"| {picture} | [{number} · {title}]({name}.ipynb) | TODO | TODO | – |"),
        (root / "README.md", r"\| (\d\d) \| \[",
         f"| {number} | [{title}](notebooks/{name}.ipynb) | TODO | TODO |"),
    ]  # fmt: skip
    pages = {page: _with_row(page, pattern, row) for page, pattern, row in tables}

    lecture = nbformat.read(TEMPLATE, as_version=4)
    for cell in lecture.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    heading = lecture.cells[0]
    heading.source = heading.source.replace("NN · TITLE", f"{number} · {title}")
    notebook = root / "notebooks" / f"{name}.ipynb"
    nbformat.write(lecture, notebook)
    _draw_placeholder(number).save(root / "notebooks" / "images" / f"{name}.png")
    for page, text in pages.items():
        page.write_text(text, encoding="utf-8", newline="\n")
    return notebook


def _with_row(page, pattern, row):
    """The page's text with a row behind the last one of a smaller number."""
    lines = page.read_text(encoding="utf-8").split("\n")
    number = re.match(pattern, row).group(1)
    rows = [(i, re.match(pattern, line)) for i, line in enumerate(lines)]
    before = [i for i, found in rows if found and found.group(1) < number]
    if not before:
        raise ValueError(f"{page} has no row of a lecture before {number}")
    lines.insert(before[-1] + 1, row)
    return "\n".join(lines)


def _draw_placeholder(number):
    image = Image.new("L", (300, 150), 235)
    font = ImageFont.load_default(size=60)
    ImageDraw.Draw(image).text((150, 75), number, fill=120, anchor="mm", font=font)
    return image


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", metavar="NN_topic")
    parser.add_argument("title")
    given = parser.parse_args()
    try:
        print(new_lecture(given.name, given.title))
    except ValueError as error:
        raise SystemExit(f"new_lecture: {error}.") from None
