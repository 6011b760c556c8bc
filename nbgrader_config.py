"""nbgrader's settings, read by every `nbgrader` command that is started in this folder.

Sources stand in instructor/; what nbgrader makes (releases, submissions, the gradebook) goes to
gradebook/, which git ignores. The student versions in notebooks/assignments are made by
`make release` with the same settings.
"""

import os
import shutil
import sysconfig
from pathlib import Path

from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
    NbGraderPreprocessor,
    SaveCells,
)
from nbgrader.utils import is_solution

root = Path(__file__).resolve().parent
(root / "gradebook").mkdir(exist_ok=True)
# The gradebook calls `alembic` by its name, which only an activated environment has on its path.
scripts = sysconfig.get_path("scripts")
if scripts not in os.environ.get("PATH", "").split(os.pathsep):
    os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", "")])


class GoOnAfterErrors(NbGraderPreprocessor):
    """Tags the locked cells, so that "run all" goes on below a check that fails.

    In the sources they have no tag: there a failing check must fail the tests.
    """

    def preprocess_cell(self, cell, resources, cell_index):
        if cell.cell_type == "code" and not is_solution(cell) and cell.id != "setup":
            cell.metadata["tags"] = ["raises-exception"]
        return cell, resources


def copy_checks(assignment, **_):
    """nbgrader's release needs checks.npz, of which no copy stands in instructor/."""
    checks = root / "notebooks" / "assignments" / assignment / "checks.npz"
    shutil.copy(checks, root / "gradebook" / "release" / assignment)


c = get_config()  # noqa: F821 - nbgrader defines it
c.CourseDirectory.course_id = "autoencoders"
c.CourseDirectory.root = str(root)
c.CourseDirectory.source_directory = "instructor"
for step in ("release", "submitted", "autograded", "feedback", "solution"):
    setattr(c.CourseDirectory, f"{step}_directory", f"gradebook/{step}")
c.CourseDirectory.db_url = f"sqlite:///{root}/gradebook/gradebook.db"
# exercises.py holds the solutions.
c.CourseDirectory.ignore = ["exercises.py", "__pycache__", "*.pyc", ".ipynb_checkpoints"]
# nbgrader's own list, with the tags added.
c.GenerateAssignment.preprocessors = [
    LockCells,
    ClearSolutions,
    ClearOutput,
    CheckCellMetadata,
    ComputeChecksums,
    SaveCells,
    ClearHiddenTests,
    ClearMarkScheme,
    GoOnAfterErrors,
    ComputeChecksums,
    CheckCellMetadata,
]
c.GenerateAssignment.post_convert_hook = copy_checks
c.Execute.timeout = 120
