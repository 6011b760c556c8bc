"""What was handed in: who it is from, and which file counts.

A submission is data here: nothing of it is executed, and no archive is extracted.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import re
import stat
import struct
import unicodedata
import zipfile
from pathlib import Path, PurePosixPath

from grader import tables
from grader.names import is_visible
from grader.notebooks import rebuild, released_cells
from grader.parsing import AGAIN, BYTES, WEIGHT, Unreadable, too_large, weight

__all__ = ["Aside", "Entry", "find", "modules", "read"]

FILES = 1_000  # of one student
NOTEBOOKS = 50  # of which one is chosen
MODULES, MODULE_BYTES = 50, 1_000_000  # Python files beside the notebook
_NAMES = 1_000_000  # bytes of names and comments in an archive
_EXTENSIONS = (".ipynb", ".json", ".txt", "")  # browsers and mail programs rename


@dataclasses.dataclass(frozen=True)
class Entry:
    """One student's submission: a file, or inside a zip archive its `member`."""

    student: str
    path: Path
    member: str = ""


@dataclasses.dataclass(frozen=True)
class Aside:
    """What was found in the inbox and cannot be graded, and why."""

    student: str
    path: str
    reason: str


def find(
    inbox: str | Path, assignment: str, released: bytes, cache: str | Path | None = None
) -> tuple[list[Entry], list[Aside]]:
    """Who handed in what.

    An inbox holds STUDENT.ipynb, STUDENT.zip or STUDENT/**/*.ipynb, also mixed. If a folder in it
    is named like the assignment, as in nbgrader's STUDENT/ASSIGNMENT, only that one counts. Of
    several notebooks the one counts that answers most of `released`, the bytes of the released
    one; `cache` is a file that keeps which, by their content. Links are not followed, nor are pipes
    and devices opened. Both lists are in the order of the students' names.

    Raises:
        NotADirectoryError: `inbox` is not a folder.
    """
    inbox = Path(inbox)
    if not inbox.is_dir():
        raise NotADirectoryError(f"inbox must be a folder of submissions, got {inbox}.")
    entries, asides, owners, known = [], [], {}, _kept(cache)
    for path in sorted(path for path in inbox.iterdir() if not _ignored(path.name)):
        student = path.name if _is_folder(path) else _stem(path.name)
        student = unicodedata.normalize("NFC", student)
        try:
            _require_usable(student)
            found = _best(path, assignment, released, known)
        except Unreadable as error:
            asides.append(Aside(_shown(student), _shown(path.name), str(error)))
        except OSError as error:  # it vanished meanwhile, or may not be opened
            reason = f"It cannot be read: {error.strerror}."
            asides.append(Aside(student, _shown(path.name), reason))
        else:
            owners.setdefault(student.casefold(), []).append(Entry(student, *found))
    for several in owners.values():
        if len(several) == 1:
            entries += several
            continue
        tops = [entry.path.relative_to(inbox).parts[0] for entry in several]
        why = f"There are several submissions of one student: {', '.join(tops)}. Keep one of them."
        asides += [Aside(one.student, top, why) for one, top in zip(several, tops, strict=True)]
    entries.sort(key=lambda entry: entry.student)
    asides.sort(key=lambda aside: (aside.student, aside.path))
    if cache is not None and known != _kept(cache):
        Path(cache).parent.mkdir(parents=True, exist_ok=True)
        tables.replace(cache, json.dumps(known).encode())
    return entries, asides


def _kept(cache):
    """What an earlier run found, {digest: index or reason}; nothing if the file is damaged."""
    try:
        known = json.loads(Path(cache).read_bytes()) if cache is not None else {}
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def read(entry: Entry) -> bytes:
    """The bytes of a submission.

    Raises:
        Unreadable: it is gone, not a plain file, too large, or its archive is damaged.
    """
    content = _read(entry.path)
    return _unzipped(_open_zip(content), entry.member) if entry.member else content


def modules(entry: Entry, inbox: str | Path) -> dict[str, bytes]:
    """The Python files beside a notebook in its folder or archive, which it may import, by name.

    What lies in the inbox itself is other students'.

    Raises:
        Unreadable: one cannot be read or has no usable name, or they are too many or too large.
    """
    found = {}
    if entry.member:
        archive = _open_zip(_read(entry.path))
        folder = PurePosixPath(entry.member).parent
        for name in _members(archive):
            path = PurePosixPath(name)
            if path.parent == folder and path.suffix == ".py":
                found[_file_name(path.name)] = _unzipped(archive, name)
    elif entry.path.parent != Path(inbox):
        for path in sorted(entry.path.parent.glob("*.py")):
            if stat.S_ISREG(path.lstat().st_mode):
                found[_file_name(path.name)] = _read(path)
            if len(found) > MODULES:
                break
    if len(found) > MODULES or sum(map(len, found.values())) > MODULE_BYTES:
        raise Unreadable(
            f"There are more than {MODULES} Python files or {MODULE_BYTES // 1_000_000} MB of them "
            "beside the notebook. Keep those that it imports."
        )
    return found


def _file_name(name):
    """The name, which a file in the sandbox will have."""
    try:
        if len(name.encode()) <= 255:
            return name
        why = "is longer than a file's may be"
    except UnicodeEncodeError:
        why = "is not UTF-8"
    raise Unreadable(f"The name of a Python file, {_shown(name)[:50]}, {why}. Rename it.")


def _ignored(name):
    return name.startswith(".") or name in ("__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini")


def _is_folder(path):
    return path.is_dir() and not path.is_symlink()


def _stem(name):
    """The student's of anna.ipynb, anna.ipynb.txt, anna, and of anna.pdf too."""
    stem = re.sub(r"(\.(ipynb|json|txt|zip))+$", "", name, flags=re.I)
    return stem if stem != name else Path(name).stem


def _shown(name):
    """A file name without what a terminal or a page would take for something else."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)[:300]


def _require_usable(student):
    """The name stands in file names and in spreadsheets, where "=..." is a formula."""
    allowed = all(unicodedata.category(c)[0] in "LMN" or c in " ,._@+-()'" for c in student)
    if not allowed or not student or student[0] in ".=+-@ " or student[-1] in ". ":
        raise Unreadable(
            "The name cannot serve as a student's: letters, digits, spaces and , . _ @ + - ( ) ' "
            "may be in it, and it may not begin with . = + - @ or a space, nor end with . or a "
            "space. Rename it."
        )
    if not is_visible(student):
        raise Unreadable("There is no letter or digit in the name that can be seen. Rename it.")
    if len(student.encode()) > 200:
        raise Unreadable("The name is longer than a file's may be. Rename it.")


def _best(path, assignment, released, known):
    """Path and member of the notebook that counts."""
    candidates, problems, files = [], [], _files(path)
    if sum(file.lstat().st_size for file in files) > 2 * BYTES:
        raise Unreadable(too_large("What the folder holds"))
    for file in files:
        try:
            candidates += _notebooks(path, file)
        except Unreadable as error:
            problems.append(str(error))
    inside = [found for found in candidates if assignment in found[2][:-1]]
    candidates = inside or candidates
    if not candidates:
        raise Unreadable(problems[0] if problems else f"There is no notebook in it. {AGAIN}")
    if len(candidates) == 1:
        return candidates[0][:2]
    if len(candidates) > NOTEBOOKS:  # data with them, perhaps, which may be many files
        named = [one for one in candidates if one[2][-1:] and one[2][-1].lower().endswith(".ipynb")]
        candidates = named or candidates
    if len(candidates) > NOTEBOOKS:
        raise Unreadable(
            f"There are more than {NOTEBOOKS} notebooks in it. Keep the one that counts."
        )
    digest = hashlib.sha256(f"{assignment} {len(released)} ".encode() + released)
    left, values = BYTES, WEIGHT
    for file, member, parts in candidates:
        content = b""
        with contextlib.suppress(Unreadable):
            content = read(Entry("", file, member))
        left, values = left - len(content), values - weight(content)
        if min(left, values) < 0:  # before the next archive is unpacked
            raise Unreadable(too_large("What the notebooks hold"))
        digest.update(f"{parts} {len(content)} ".encode("utf-8", "surrogateescape") + content)
    found = known.get(digest := digest.hexdigest())
    if not isinstance(found, str) and not (type(found) is int and 0 <= found < len(candidates)):
        try:
            found = _fitting(candidates, problems, released)
        except Unreadable as error:
            found = str(error)
        known[digest] = found
    if isinstance(found, str):
        raise Unreadable(found)
    return candidates[found][:2]


def _fitting(candidates, problems, released):
    """The index of the candidate that answers most."""
    fits = {}
    for i, (file, member, parts) in enumerate(candidates):
        try:
            rebuilt = rebuild(read(Entry("", file, member)), released)
        except Unreadable as error:
            problems.append(str(error))
            continue
        fit = _answered(rebuilt, released)
        same = hash((rebuilt.cells, rebuilt.written))
        fits.setdefault(fit, {}).setdefault(same, (i, "/".join(parts)))
    if not fits:
        raise Unreadable(problems[0])
    best = list(fits[max(fits)].values())
    if len(best) > 1:
        names = ", ".join(_shown(name) for _, name in best[:5])
        raise Unreadable(
            f"Several notebooks answer equally many exercises: {names}. Keep the one that counts."
        )
    return best[0][0]


def _answered(rebuilt, released):
    blank = {part.source for part in released_cells(released)}
    answers = sum(cell.kind == "answer" and cell.source not in blank for cell in rebuilt.cells)
    return answers + bool(rebuilt.written)


def _files(path):
    """The files of one student, of any kind but folders."""
    if not _is_folder(path):
        return [path]
    files = []
    for count, (folder, folders, names) in enumerate(os.walk(path)):
        folders[:] = sorted(name for name in folders if not _ignored(name))
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        files += [Path(folder) / name for name in sorted(names) + links if not _ignored(name)]
        if max(count, len(files)) > FILES:
            raise Unreadable(f"The folder holds more than {FILES:,} files. Hand in the notebook.")
    return files


def _notebooks(top, file):
    """(path, member, parts of the name) for what may be a notebook, of a file or an archive."""
    parts = file.relative_to(top).parts
    mode = file.lstat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a link to another file" if stat.S_ISLNK(mode) else "a pipe or a device"
        raise Unreadable(f"{_shown(file.name)} is {kind}, and not opened. {AGAIN}")
    suffix = file.suffix.lower()
    if suffix == ".zip":
        return [
            (file, name, (*parts, *Path(name).parts))
            for name in _members(_open_zip(_read(file)))
            if Path(name).suffix.lower() in _EXTENSIONS
        ]
    if suffix not in _EXTENSIONS:
        raise Unreadable(f"{_shown(file.name)} is no notebook. {AGAIN}")
    return [(file, "", parts)]


def _read(path):
    try:
        # The file may have become a link or a pipe since it was listed.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        handle = os.open(path, flags | getattr(os, "O_BINARY", 0))
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Unreadable(f"This is not a plain file. {AGAIN}")
            content = file.read(BYTES + 1)
    except OSError as error:
        raise Unreadable(f"The file cannot be read: {error.strerror}.") from error
    if len(content) > BYTES:
        raise Unreadable(too_large("The file"))
    return content


def _open_zip(content):
    # Listing an archive of a million members, or of a few with names and comments of megabytes,
    # would take gigabytes or minutes. Each member has this in the list, and its lengths behind it.
    if content.count(b"PK\1\2") > FILES:
        raise Unreadable(f"The archive holds more than {FILES:,} files. Hand in the notebook.")
    lengths = [content[at.end() + 24 : at.end() + 30] for at in re.finditer(b"PK\1\2", content)]
    if sum(sum(struct.unpack("<3H", three)) for three in lengths if len(three) == 6) > _NAMES:
        raise Unreadable(f"The archive is packed in an unusual way. {AGAIN}")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except Exception as error:
        raise Unreadable(f"The archive is damaged. {AGAIN}") from error
    if sum(member.file_size for member in archive.infolist()) > BYTES:
        raise Unreadable(too_large("What the archive holds"))
    return archive


def _members(archive):
    """The names of the plain files in an archive."""
    return sorted(
        {
            member.filename
            for member in archive.infolist()
            if not member.is_dir()
            and not stat.S_ISLNK(member.external_attr >> 16)
            and not any(_ignored(part) for part in Path(member.filename).parts)
        }
    )


def _unzipped(archive, member):
    try:
        # Of other kinds zipfile unpacks as much as there is, whatever size they claim.
        if archive.getinfo(member).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise NotImplementedError(member)
        with archive.open(member) as file:
            unpacked = file.read(BYTES + 1)  # what the archive says about sizes need not be true
    except Exception as error:  # zipfile and its decompressors raise a dozen kinds
        secret = "password" in str(error)
        reason = "needs a password" if secret else "is damaged, or packed in an unusual way"
        raise Unreadable(f"The archive {reason}. {AGAIN}") from error
    if len(unpacked) > BYTES:
        raise Unreadable(too_large("What the archive holds"))
    return unpacked
