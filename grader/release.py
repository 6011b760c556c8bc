"""Make the student versions: `make release`, or ``python -m grader.release``.

The student's notebook is what `nbgrader generate_assignment` makes of instructor/NN_topic, with
the repository's nbgrader_config.py; checks.npz is computed from exercises.py. Both go to
notebooks/assignments/NN_topic, which is committed, and as one archive for a learning platform to
dist/assignments/NN_topic.zip. A second run writes the same bytes.
"""

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from traitlets.config import PyFileConfigLoader

from coursekit.checks import keys
from grader import exercises

ROOT = Path(__file__).resolve().parents[1]


def sources(root=ROOT):
    """The folders instructor/NN_topic, in order."""
    return sorted(path.parent for path in (root / "instructor").glob("[0-9][0-9]_*/exercises.py"))


def student_version(source):
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


def write_archive(path, folder, files):
    """A zip with `files` (a dict from names to bytes) in one folder; the same bytes every time."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # the same on Windows
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)


def release(names=()):
    """Write the student versions and the archives of all assignments, or of those named."""
    archives = ROOT / "dist" / "assignments"
    archives.mkdir(parents=True, exist_ok=True)
    known = {source.name: source for source in sources()}
    for name in names or known:
        if name not in known:
            raise SystemExit(f"no assignment {name!r} in instructor/; there are {', '.join(known)}")
        files = student_version(known[name])
        folder = ROOT / "notebooks" / "assignments" / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (folder / file).write_bytes(content)
        write_archive(archives / f"{name}.zip", name, files)
        print(f"{name}: {sum(map(len, files.values())) / 1000:.0f} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NN_topic", help="all, if none is named")
    sys.exit(release(parser.parse_args().names))
