"""What is proven of every assignment. A new one needs no new test: it is found in instructor/."""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from coursekit.checks import CheckFailed, calls, diagnosis
from grader import ROOT, exercises, release
from grader.exercises import PUBLIC_SEED, source_folders, student_folder
from tools.assignments import REGION, answers, blanked, definitions, notebook

SEEDS = (PUBLIC_SEED, 1, 2)
FOLDERS = source_folders()
EXERCISES = [(folder, exercise) for folder in FOLDERS for exercise in definitions(folder)]


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request):
    return request.param


@pytest.fixture(params=EXERCISES, ids=lambda pair: f"{pair[0].name}-{pair[1].name}")
def exercise(request):
    return request.param[1]


@pytest.fixture(scope="module")
def keys():
    """key(exercise, seed), computed once."""
    made = {}

    def key(exercise, seed):
        if (exercise, seed) not in made:
            made[exercise, seed] = exercise.key(seed)
        return made[exercise, seed]

    return key


def judged(key, function):
    """What is said about a function that need not be differentiable."""
    found, _ = calls.collect(function, key.arguments, key.cases)
    found[0] = dataclasses.replace(found[0], gradient=key.gradient)
    return diagnosis.judge(found, key)


# The definition


def test_there_are_assignments():
    assert "05_sparse" in {folder.name for folder in FOLDERS}


def test_an_assignment_has_three_to_five_exercises(folder):
    names = [exercise.name for exercise in definitions(folder)]
    assert 3 <= len(names) <= 5
    assert len(set(names)) == len(names)


def test_an_exercise_is_well_posed(exercise, keys):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", exercise.name)
    assert len(exercise.wrong) >= 4
    assert len(exercise.alternatives) in (0, 3)
    for seed in SEEDS:
        key = keys(exercise, seed)
        assert len({diagnosis._batch(case) for case in key.cases}) >= 2, "one batch size only"
        for outputs in key.expected:
            assert all(np.isfinite(output).all() for output in outputs)
        if exercise.differentiable:
            assert np.abs(key.gradient).max() > 1e-3


def test_sentences_speak_of_the_function(exercise):
    """They continue "✗ kl_from_logits ...", are sentences, and short."""
    said = [wrong.sentence for wrong in exercise.wrong]
    assert len(set(said)) == len(said)
    for sentence in said:
        assert re.match(r"[a-z]", sentence), sentence
        assert sentence.endswith("."), sentence
        assert 20 <= len(sentence) <= 240, sentence


def test_fresh_inputs_are_fresh_and_reproducible(exercise, keys):
    first, again, other = exercise.key(1).cases, keys(exercise, 1).cases, keys(exercise, 2).cases
    assert all(
        np.array_equal(a, b)
        for one, two in zip(first, again, strict=True)
        for a, b in zip(one, two, strict=True)
    )
    assert any(
        isinstance(a, np.ndarray) and not np.array_equal(a, b)
        for one, two in zip(first, other, strict=True)
        for a, b in zip(one, two, strict=True)
    )


# What is right, what is wrong


@pytest.mark.parametrize("seed", SEEDS)
def test_every_mistake_gets_its_own_sentence(exercise, keys, seed):
    """Through the student's way: the function is called with single precision."""
    key = keys(exercise, seed)
    with np.errstate(all="ignore"):
        for wrong in exercise.wrong:
            assert judged(key, wrong.function) == wrong.sentence


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mistake_is_ten_tolerances_away_from_what_is_right_and_from_others(exercise, keys, seed):
    assert exercises.tells_apart(keys(exercise, seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers_written_otherwise_are_right(exercise, keys, seed):
    key = keys(exercise, seed)
    for function in exercise.alternatives:
        found, _ = calls.collect(function, key.arguments, key.cases, key.differentiable)
        assert diagnosis.judge(found, key) == "", function.__name__


def test_the_reference_is_right_on_many_inputs(exercise):
    for seed in range(10, 15):
        assert judged(exercise.key(seed), exercise.reference) == ""


@pytest.mark.parametrize("seed", SEEDS)
def test_constants_and_echoes_are_rejected(exercise, keys, seed):
    key = keys(exercise, seed)
    first = key.expected[0]
    lazy = [lambda *given, j=j: given[j] for j in range(len(key.arguments))]
    lazy += [lambda *given: first if len(first) > 1 else first[0]]
    for fill in (0.0, 1.0, float(np.mean(first[0]))):
        outputs = iter([tuple(np.full_like(o, fill) for o in case) for case in key.expected])
        lazy.append(lambda *given, outputs=outputs: next(outputs))
    for function in lazy:
        assert judged(key, function)


def test_a_batch_size_written_as_a_number_is_noticed(exercise, keys):
    """The expected outputs of the first case, and an error for every other batch size."""
    key = keys(exercise, PUBLIC_SEED)
    size = diagnosis._batch(key.cases[0])

    def only_first(*given):
        if diagnosis._batch(given) != size:
            raise ValueError("shapes do not match")
        return key.expected[0]

    assert judged(key, only_first).startswith(f"is right for a batch of {size}, but not for one of")


def test_a_changed_input_is_noticed(exercise, keys):
    key = keys(exercise, PUBLIC_SEED)
    outputs = iter(key.expected)

    def spoil(*given):
        next(value for value in given if isinstance(value, np.ndarray))[...] = 0
        return next(outputs)

    assert "in place" in judged(key, spoil)


@pytest.mark.parametrize(
    "exercise",
    [pair for pair in EXERCISES if pair[1].differentiable],
    ids=lambda pair: f"{pair[0].name}-{pair[1].name}",
    indirect=True,
)
def test_numpy_where_a_gradient_is_needed_is_noticed(exercise, keys):
    key = keys(exercise, PUBLIC_SEED)
    found, _ = calls.collect(exercise.reference, key.arguments, key.cases, key.differentiable)
    assert "no gradient" in diagnosis.judge(found, key)


# The notebook


def test_cells_and_definitions_agree(folder):
    cells = {cell.id: cell for cell in notebook(folder).cells}
    graded = [id for id, cell in cells.items() if cell.metadata.get("nbgrader", {}).get("grade")]
    assert graded == [ex.check_id for ex in definitions(folder)]
    for exercise in definitions(folder):
        answer = cells[exercise.cell_id]
        check = cells[exercise.check_id]
        assert answer.metadata.nbgrader.solution
        assert len(REGION.findall(answer.source)) == 1
        assert check.metadata.nbgrader.points == exercise.points
        assert check.source.startswith(f'ck.check("{exercise.name}", ')
    for cell in cells.values():
        assert re.fullmatch(r"[a-z]+[0-9]*(-[a-z0-9]+)*", cell.id), cell.id
        assert set(cell.metadata) <= {"nbgrader"}, cell.id
        assert cell.metadata.get("nbgrader", {}).get("grade_id", cell.id) == cell.id
        assert not cell.get("outputs"), f"{cell.id} is saved with outputs"
        if cell.cell_type == "code":
            assert "nbgrader" in cell.metadata, f"{cell.id} is neither an answer nor locked"
            assert cell.id == "setup" or "coursekit" not in cell.source
            assert "import keras" not in cell.source or cell.id == "setup"


def test_there_is_one_written_question_with_a_mark_scheme(folder):
    (task,) = (
        cell for cell in notebook(folder).cells if cell.metadata.get("nbgrader", {}).get("task")
    )
    assert task.id == "written"
    assert task.metadata.nbgrader.points > 0
    assert re.search(r"^### BEGIN MARK SCHEME\n.+^### END MARK SCHEME$", task.source, re.S | re.M)


@pytest.fixture
def beside_checks(folder, monkeypatch):
    monkeypatch.chdir(student_folder(folder.name))


def sentences(folder, blank=()):
    """{exercise's name: what its check says, "" if it passes}, with some answers blanked.

    Everything but pictures ("look" cells) is run, as `nbgrader` does: on after an error. The
    working directory must hold checks.npz.
    """
    said, namespace = {}, {}
    blank = {exercise.cell_id for exercise in definitions(folder) if exercise.name in blank}
    checks = {exercise.check_id: exercise.name for exercise in definitions(folder)}
    for cell in notebook(folder).cells:
        if cell.cell_type != "code" or cell.id.startswith("look"):
            continue
        source = blanked(cell.source) if cell.id in blank else cell.source
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                exec(compile(source, f"<{cell.id}>", "exec"), namespace)
                failed = ""
            except CheckFailed as error:
                failed = str(error)
        if cell.id in checks:
            said[checks[cell.id]] = failed
    return said


def test_solutions_pass_and_every_blank_fails_its_check(folder, beside_checks):
    """No solution depends on another's, so exactly the blanked one's check fails."""
    names = [exercise.name for exercise in definitions(folder)]
    assert sentences(folder) == dict.fromkeys(names, "")
    for name in names:
        said = sentences(folder, blank=[name])
        assert {other for other, sentence in said.items() if sentence} == {name}
        assert "is not written yet" in said[name]


def test_a_check_answers_within_a_second(folder, beside_checks):
    namespace = {}
    for cell in notebook(folder).cells:
        if cell.cell_type == "code" and not cell.id.startswith("look"):
            started = time.perf_counter()
            exec(cell.source, namespace)
            if cell.id.endswith("-check"):
                assert time.perf_counter() - started < 1, cell.id


@pytest.mark.slow
def test_the_notebook_takes_at_most_two_and_a_half_times_its_imports_and_is_quiet(
    folder, monkeypatch
):
    """20 seconds where those take 8. On one thread, since idle ones of TensorFlow's count, too."""
    for library in ("TF_NUM_INTRAOP", "TF_NUM_INTEROP", "OMP_NUM", "OPENBLAS_NUM"):
        monkeypatch.setenv(f"{library}_THREADS", "1")
    fresh = nbformat.read(folder / f"{folder.name}.ipynb", as_version=4)
    cells = {cell.id: i for i, cell in enumerate(fresh.cells)}
    begin = "import time\nimports = time.process_time()"
    fresh.cells.insert(cells["setup"] + 1, nbformat.v4.new_code_cell(begin))
    fresh.cells.append(nbformat.v4.new_code_cell("print(time.process_time() / imports)"))
    NotebookClient(
        fresh, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    assert float(fresh.cells[-1].outputs[0].text) < 2.5
    for cell in fresh.cells:
        for output in cell.get("outputs", ()):
            assert output.get("name") != "stderr", f"{cell.id}: {output.text}"
        if cell.id.endswith("-check"):
            assert cell.outputs[0].text.startswith("✓"), cell.id


# What students get


@pytest.fixture(scope="module")
def made():
    """The student version of each assignment, made anew."""
    return {folder: release.student_version(folder) for folder in FOLDERS}


def test_the_committed_student_version_is_the_one_that_is_made(folder, made):
    assert {path.name for path in (student_folder(folder.name)).iterdir() if path.is_file()} == set(
        made[folder]
    )
    for name, content in made[folder].items():
        assert (student_folder(folder.name) / name).read_bytes() == content, (
            f"notebooks/assignments/{folder.name}/{name} is not up to date: run `make release`"
        )


@pytest.mark.slow
def test_another_processor_makes_the_same_checks(made):
    """One without vector instructions, as far as OpenBLAS and NumPy can be told so."""
    code = (
        "import hashlib, io; from coursekit.checks.keys import save_keys\n"
        "from grader import exercises\n"
        "for folder in exercises.source_folders():\n"
        "    file = io.BytesIO()\n"
        "    save_keys(file, [exercise.key() for exercise in exercises.load(folder)])\n"
        "    print(folder.name, hashlib.sha256(file.getvalue()).hexdigest())\n"
    )
    older = {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | older, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert dict(line.split() for line in done.stdout.splitlines()) == {
        folder.name: hashlib.sha256(files["checks.npz"]).hexdigest()
        for folder, files in made.items()
    }


def test_making_it_again_gives_the_same_bytes(folder, made, tmp_path):
    again = release.student_version(folder)
    assert again == made[folder]
    archives = []
    for files in (made[folder], again):
        release.write_archive(tmp_path / "a.zip", folder.name, files)
        archives.append((tmp_path / "a.zip").read_bytes())
    assert archives[0] == archives[1]
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == [f"{folder.name}/{name}" for name in made[folder]]


def test_the_student_version_has_stubs_and_goes_on_after_errors(folder, made):
    student = nbformat.reads(made[folder][f"{folder.name}.ipynb"].decode(), as_version=4)
    cells = {cell.id: cell for cell in student.cells}
    assert list(cells) == [cell.id for cell in notebook(folder).cells]
    for exercise in definitions(folder):
        assert cells[exercise.cell_id].source == blanked(answers(folder)[exercise.name])
        check = cells[exercise.check_id]
        assert check.metadata.tags == ["raises-exception"]
        assert check.metadata.editable is False
    assert "tags" not in cells["setup"].metadata


def test_checks_hold_numbers_and_sentences_and_are_small(folder, made):
    content = made[folder]["checks.npz"]
    assert len(content) < 600_000
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        for entry in file.files:
            assert file[entry].dtype.kind in ("U" if entry.endswith("/about") else "fiub"), entry


def test_the_lecture_and_the_index_link_to_it(folder):
    (lecture,) = (ROOT / "notebooks").glob(f"{folder.name[:2]}_*.ipynb")
    link = f"(assignments/{folder.name}/{folder.name}.ipynb)"
    for path in (lecture, ROOT / "notebooks" / "00_start_here.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        assert any(link in cell.source for cell in cells), f"{path.name} has no link {link}"


def test_links_in_the_student_version_lead_somewhere(folder, made):
    student = nbformat.reads(made[folder][f"{folder.name}.ipynb"].decode(), as_version=4)
    for cell in student.cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\((?!https?:|#)([^)#]+\.ipynb)", cell.source):
                assert (student_folder(folder.name) / target).exists(), f"{cell.id}: {target}"


def squeezed(text):
    return re.sub(r"\s+", "", text)


def secrets(folder):
    """Lines of solutions and mark schemes that nobody would write by chance."""
    for source in answers(folder).values():
        for _, body in REGION.findall(source):
            yield from body.split("\n")
    for cell in notebook(folder).cells:
        if cell.metadata.get("nbgrader", {}).get("task"):
            scheme = cell.source.split("### BEGIN MARK SCHEME")[1].split("### END")[0]
            yield from re.split(r"(?<=\.) ", scheme)


@pytest.fixture(scope="module")
def open_text(made):
    """All text that students can read, without white space."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "coursekit").rglob("*.py")]
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        texts += [cell.source for cell in nbformat.read(path, as_version=4).cells]
    for files in made.values():
        for content in files.values():
            texts.append(content.decode("utf-8", errors="ignore").replace("\x00", ""))
            if content.startswith(b"{"):
                texts += ["".join(cell["source"]) for cell in json.loads(content)["cells"]]
    return squeezed("\n".join(texts))


def test_no_solution_stands_in_what_students_get(folder, open_text):
    lines = [squeezed(line) for line in secrets(folder)]
    long = [line for line in lines if len(line) >= 25]
    assert long
    for line in long:
        assert line not in open_text, line
