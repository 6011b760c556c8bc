"""Make the student versions: `make release`, or ``python -m grader release``.

The student's notebook is what `nbgrader generate_assignment` makes of instructor/NN_topic, with
the repository's nbgrader_config.py; checks.npz is computed from exercises.py. Both go to
notebooks/assignments/NN_topic, which is committed, and as one archive for a learning platform to
dist/assignments/NN_topic.zip. A second run writes the same bytes.
"""

import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from traitlets.config import PyFileConfigLoader

from coursekit.checks import keys
from grader import ROOT, exercises

__all__ = ["release", "student_version", "write_archive"]


def student_version(source: Path) -> dict[str, bytes]:
    """What students get of one source folder: a dict from file names to bytes."""
    name = source.name
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
        config.CourseDirectory.root = str(source.parents[1])
        config.CourseDirectory.source_directory = source.parent.name
        config.CourseDirectory.release_directory = str(folder / "release")
        config.CourseDirectory.assignment_id = name
        config.SaveCells.enabled = False  # no gradebook is needed
        config.GenerateAssignment.no_database = True
        config.GenerateAssignment.post_convert_hook = None
        GenerateAssignment(coursedir=CourseDirectory(config=config), config=config).start()
        notebook = (folder / "release" / name / f"{name}.ipynb").read_bytes()
        keys.save_keys(
            folder / "checks.npz", [exercise.key() for exercise in exercises.load(source)]
        )
        return {f"{name}.ipynb": notebook, "checks.npz": (folder / "checks.npz").read_bytes()}


def write_archive(path: Path, folder: str, files: dict[str, bytes]) -> None:
    """A zip with `files` (a dict from names to bytes) in one folder; the same bytes every time."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # the same on Windows
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)


def release(names: Iterable[str] = ()) -> None:
    """Write the student versions and the archives of all assignments, or of those named.

    Raises:
        ValueError: there is no assignment of that name.
    """
    archives = ROOT / "dist" / "assignments"
    archives.mkdir(parents=True, exist_ok=True)
    for source in list(map(exercises.source_folder, names)) or exercises.source_folders():
        folder, files = exercises.student_folder(source.name), student_version(source)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        write_archive(archives / f"{source.name}.zip", source.name, files)
        print(f"{source.name}: {sum(map(len, files.values())) / 1000:.0f} kB")
