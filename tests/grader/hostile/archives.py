"""Submissions in archives: bombs, lies, links, locks and damage."""

import io
import struct
import zipfile

from tests.grader.hostile._kinds import kind
from tools.sheets import ALL


def packed(members, **options):
    """A zip's bytes, from a dict of names and contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, **options)
    return buffer.getvalue()


@kind(stopped=ALL)
def zip_bomb(sheet):
    """A megabyte that unpacks to 300."""
    return {".zip": packed({"homework.ipynb": b" " * 300_000_000})}


@kind(stopped=ALL)
def zip_that_lies_about_its_size(sheet):
    """A member that says it has a hundred bytes and unpacks to 300 MB."""
    size = struct.pack("<I", 300_000_000)
    content = packed({"homework.ipynb": b" " * 300_000_000})
    return {".zip": content.replace(size, struct.pack("<I", 100))}


@kind(stopped=ALL)
def zip_in_a_zip(sheet):
    """An archive in an archive in an archive."""
    content = sheet.solve().content()
    for name in ("homework.ipynb", "inner.zip", "middle.zip"):
        content = packed({name: content})
    return {".zip": content}


@kind(spared=ALL)
def zip_with_paths_outside(sheet):
    """Members with absolute paths and paths upwards."""
    content = sheet.solve().content()
    names = ("../../../outside.ipynb", "/tmp/outside.ipynb", "..\\..\\outside.ipynb")
    return {".zip": packed(dict.fromkeys((*names, "homework.ipynb"), content))}


@kind(spared=ALL)
def zip_with_a_link(sheet):
    """A member that is a symbolic link to another student's work, beside the notebook."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link.ipynb")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, sheet.places.peer)
        archive.writestr("homework.ipynb", sheet.solve().content())
    return {".zip": buffer.getvalue()}


@kind(stopped=ALL)
def zip_with_many_members(sheet):
    """An archive of 20,000 members."""
    return {".zip": packed({f"{i}.ipynb": b"{}" for i in range(20_000)})}


@kind(stopped=ALL)
def zip_with_many_notebooks(sheet):
    """An archive of 900 notebooks, all with the answers and all different."""
    content = sheet.solve().content()
    return {".zip": packed({f"{i}.ipynb": content + b" " * i for i in range(900)})}


@kind(stopped=ALL)
def zip_of_no_text(sheet):
    """A hundred kilobytes that unpack to 99 MB of bytes that are not UTF-8."""
    return {".zip": packed({"homework.ipynb": b"x\xff" * 49_500_000})}


@kind(stopped=ALL)
def zip_with_large_fields(sheet):
    """An archive whose list of 500 members has 16,000 fields for each."""
    buffer, content = io.BytesIO(), sheet.solve().content()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(500):
            member = zipfile.ZipInfo(f"{i}.txt")
            member.extra = struct.pack("<HH", 0x9999, 0) * 16_000
            archive.writestr(member, b"")
        archive.writestr("homework.ipynb", content)
    return {".zip": buffer.getvalue()}


@kind(stopped=ALL)
def locked_zip(sheet):
    """An archive that asks for a password."""
    content = bytearray(packed({"homework.ipynb": sheet.solve().content()}))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + at] |= 1
    return {".zip": bytes(content)}


@kind(stopped=ALL)
def broken_zip(sheet):
    """Half an archive."""
    content = packed({"homework.ipynb": sheet.solve().content()})
    return {".zip": content[: len(content) // 2]}


@kind(stopped=ALL)
def damaged_zip(sheet):
    """An archive whose bytes were damaged on the way."""
    content = bytearray(packed({"homework.ipynb": sheet.solve().content()}))
    content[len(content) // 3 : len(content) // 3 + 50] = bytes(50)
    return {".zip": bytes(content)}


@kind(right=ALL)
def honest_zip(sheet):
    """The notebook in a zip made on a Mac, with all that this adds."""
    noise = {
        f"{sheet.folder.name}/.DS_Store": b"x",
        f"__MACOSX/{sheet.folder.name}/._a.ipynb": b"x",
    }
    name = f"{sheet.folder.name}/{sheet.folder.name} (1).ipynb"
    return {".zip": packed({**noise, name: sheet.solve().content()})}


@kind(stopped=ALL)
def handed_in_twice(sheet):
    """Two different submissions under one name."""
    other = sheet.copy().solve(sheet.first)
    sheet.solve()
    return {"/a.ipynb": sheet.content(), ".zip": packed({"b.ipynb": other.content()})}
