"""Submissions whose files are damaged, no notebooks, links or oddly named."""

import json

from tests.grader.hostile._kinds import kind
from tools.sheets import ALL, Folder, Link, Pipe


@kind(stopped=ALL)
def not_json(sheet):
    """The file is no JSON but a text."""
    return b"Dear assistant, here is my homework.\n"


@kind(stopped=ALL)
def empty_file(sheet):
    """The file is empty."""
    return b""


@kind(stopped=ALL)
def truncated(sheet):
    """The upload broke off half-way."""
    content = sheet.solve().content()
    return content[: len(content) // 2]


@kind(stopped=ALL)
def a_picture(sheet):
    """Random bytes with a notebook's name."""
    return b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100


@kind(stopped=ALL)
def a_web_page(sheet):
    """The notebook exported as a web page, with a notebook's name."""
    return b"<!DOCTYPE html><html><script>alert(1)</script></html>"


@kind(right=ALL)
def saved_as_utf_16(sheet):
    """The file is UTF-16."""
    return sheet.solve().content("utf-16")


@kind(right=ALL)
def saved_as_latin_1(sheet):
    """The file is Latin-1, with letters that UTF-8 reads otherwise."""
    sheet.solve().own("# Grüße, œuvre\n")
    for cell in sheet.cells:
        cell["source"] = "".join(cell["source"]).replace("✓", "ok").replace("−", "-")
    return json.dumps(sheet.notebook, ensure_ascii=False).encode("cp1252", errors="replace")


@kind(right=ALL)
def byte_order_mark(sheet):
    """The file begins with a byte order mark."""
    return sheet.solve().content("utf-8-sig")


@kind(right=ALL)
def surrogates_in_the_file(sheet):
    """A lone surrogate stands escaped in the file, as some browsers save it."""
    sheet.solve().own("half = 'a \ud83d of a smiley'\n")
    sheet.cell("written-answer")["source"] = "half \ud83d a smiley"
    return json.dumps(sheet.notebook).encode()


@kind(stopped=ALL)
def another_language(sheet):
    """The kernel is R's."""
    sheet.solve().notebook["metadata"] = {
        "kernelspec": {"display_name": "R", "language": "R", "name": "ir"},
        "language_info": {"name": "R"},
    }


@kind(right=ALL)
def another_kernel_name(sheet):
    """The kernel is Python, but has a name that this machine does not know."""
    sheet.solve().notebook["metadata"]["kernelspec"] = {
        "display_name": "<b>mine</b>",
        "language": "python",
        "name": "../../evil",
    }


@kind(right=ALL)
def old_format(sheet):
    """The notebook is in format 3, as IPython saved it in 2014."""
    sheet.solve()
    cells = []
    for cell in sheet.cells:
        if cell["cell_type"] == "code":
            code = {"input": "".join(cell["source"]), "language": "python", "outputs": []}
            cells.append({"cell_type": "code", "metadata": cell["metadata"], **code})
        else:
            kept = {key: cell[key] for key in ("cell_type", "metadata", "source")}
            cells.append(kept)
    old = {"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0}
    return json.dumps(old | {"worksheets": [{"cells": cells, "metadata": {}}]}).encode()


@kind(spared=ALL)
def format_of_the_future(sheet):
    """The notebook says it is in format 99."""
    sheet.solve().notebook["nbformat"] = 99


@kind(stopped=ALL)
def deeply_nested(sheet):
    """JSON of a hundred thousand brackets."""
    return b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@kind(spared=ALL)
def deeply_nested_metadata(sheet):
    """A right notebook with metadata nested to the parser's limit."""
    deep = "[" * 900 + "]" * 900
    return sheet.solve().content().replace(b'"metadata": {}', f'"metadata": {deep}'.encode(), 1)


@kind(spared=ALL)
def huge_number(sheet):
    """An execution count with more digits than Python converts."""
    content = sheet.solve().content()
    return content.replace(b'"execution_count": null', b'"execution_count": ' + b"9" * 10_000, 1)


@kind(stopped=ALL)
def cells_that_are_none(sheet):
    """The cells are numbers, null and lists."""
    return b'{"cells": [null, 5, [], {}, "x"], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


@kind(stopped=ALL)
def no_notebook(sheet):
    """JSON, but a list."""
    return b"[1, 2, 3]"


@kind(spared=ALL)
def wrong_types(sheet):
    """A right notebook whose other fields hold the wrong types throughout."""
    sheet.solve()
    for i, cell in enumerate(sheet.cells):
        if cell["cell_type"] == "markdown":
            cell |= {"id": i, "metadata": [1], "attachments": 7}
        else:
            cell |= {"outputs": {"a": 1}, "execution_count": "x"}
    sheet.notebook |= {"metadata": None, "nbformat_minor": "five"}


@kind(right=ALL)
def megabytes_of_attachments(sheet):
    """A text cell with 60 MB attached, and an id of a megabyte."""
    sheet.solve().own("A picture", kind="markdown")
    cell = next(cell for cell in sheet.cells if cell["source"] == "A picture")
    cell |= {"attachments": {"a.png": {"image/png": "A" * 60_000_000}}, "id": "i" * 1_000_000}


@kind(stopped=ALL)
def too_large(sheet):
    """A file of 110 MB."""
    return sheet.solve().content() + b" " * 110_000_000


@kind(stopped=ALL)
def named_pipe(sheet):
    """A named pipe: whoever opens it waits for ever."""
    return {".ipynb": Pipe()}


@kind(stopped=ALL)
def link_to_a_system_file(sheet):
    """A symbolic link to /etc/passwd."""
    return {".ipynb": Link("/etc/passwd")}


@kind(stopped=ALL)
def link_to_another_student(sheet):
    """A symbolic link to another student's work."""
    return {".ipynb": Link(sheet.places.peer)}


@kind(stopped=ALL)
def folder_that_is_a_link(sheet):
    """The student's folder is a link to the whole inbox."""
    return {"": Link(sheet.places.inbox)}


@kind(stopped=ALL)
def link_in_a_folder(sheet):
    """The notebook in the student's folder is a link to the solutions."""
    return {f"/{sheet.folder.name}.ipynb": Link(f"{sheet.places.source}/{sheet.folder.name}.ipynb")}


@kind(stopped=ALL)
def endless_device(sheet):
    """A symbolic link to /dev/zero."""
    return {".ipynb": Link("/dev/zero")}


@kind(stopped=ALL)
def folder_with_a_notebooks_name(sheet):
    """An empty folder named like a notebook."""
    return {".ipynb": Folder()}


@kind(right=ALL)
def two_versions(sheet):
    """A folder with a blank notebook, one half done and the finished one, and other files."""
    blank, half = sheet.content(), sheet.copy().solve(sheet.first).content()
    return {
        f"/{sheet.folder.name}.ipynb": blank,
        f"/{sheet.folder.name} (1).ipynb": half,
        "/final/final-FINAL.ipynb": sheet.solve().content(),
        f"/.ipynb_checkpoints/{sheet.folder.name}-checkpoint.ipynb": half,
        "/notes.txt": b"some notes",
        "/picture.png": b"\x89PNG",
    }


@kind(stopped=ALL)
def name_that_is_a_formula(sheet):
    """The student's name is a spreadsheet's formula."""
    sheet.student = "=cmd|' calc'!A0"
    sheet.solve()


@kind(stopped=ALL)
def name_that_is_markup(sheet):
    """The student's name is markup."""
    sheet.student = "<img src=x onerror=alert(1)>"
    sheet.solve()


@kind(stopped=ALL)
def name_that_is_an_option(sheet):
    """The student's name is a command's option."""
    sheet.student = "--help"
    sheet.solve()


@kind(stopped=ALL)
def name_with_a_line_break(sheet):
    """The student's name has a line break, and would be two rows of a table."""
    sheet.student = "anna,20\nberta"
    sheet.solve()


@kind(stopped=ALL)
def name_that_is_not_text(sheet):
    """The file's name is not UTF-8."""
    sheet.student = b"caf\xe9".decode("utf-8", errors="surrogateescape")
    sheet.solve()


@kind(stopped=ALL)
def name_that_reads_backwards(sheet):
    """The student's name turns the direction of what is read."""
    sheet.student = "anna\u202egnp.exe"
    sheet.solve()
