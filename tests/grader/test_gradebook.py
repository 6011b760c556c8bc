"""Marks by hand and the export, with nbgrader's own gradebook on a database of its own."""

import csv
import html
import io
import re

import pytest

from grader import gradebook, reports, results
from grader.gradebook import Mark, MarksError
from grader.intake import Aside
from tests.grader.records import ASSIGNMENT, cell, exercise, failed, kit, partly, record, save

FREE = ("free_bits", None, "stopped", "It took too long.")


def rows(path):
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def fill(path, **marks):
    """Write "points" or (points, comment) into rows, given as student__exercise."""
    table = rows(path)
    for row in table:
        mark = marks.get(f"{row['student']}__{row['exercise']}")
        if mark is not None:
            row["points"], row["comment"] = mark if isinstance(mark, tuple) else (mark, "")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)


def scored(one, manual):
    return {score.exercise: score for score in gradebook.scores(one, manual)}


# Scores


def test_what_could_not_be_graded_is_not_summed():
    manual = {("anna", "written"): Mark("anna", "written", 4, points=3)}
    assert gradebook.total(gradebook.scores(record("anna"), {})) is None
    assert gradebook.total(gradebook.scores(record("anna"), manual)) == 23
    assert gradebook.total(gradebook.scores(partly("anna"), manual)) is None
    manual["anna", "free_bits"] = Mark("anna", "free_bits", 4, points=1.5)
    assert gradebook.total(gradebook.scores(partly("anna"), manual)) == 20.5
    assert gradebook.total(gradebook.scores(failed("anna"), {})) is None


def test_a_blank_written_answer_has_0_but_not_that_of_a_notebook_nobody_could_read():
    assert scored(record("anna", written=" \n"), {})["written"].points == 0
    assert scored(failed("anna"), {})["written"].points is None


def test_a_mark_by_hand_takes_precedence_and_a_comment_alone_changes_no_points():
    manual = {
        ("anna", "free_bits"): Mark("anna", "free_bits", 4, points=2.5),
        ("anna", "draw_laplace"): Mark("anna", "draw_laplace", 4, comment="Elegant."),
    }
    given = scored(record("anna"), manual)
    assert (given["free_bits"].points, given["free_bits"].is_manual) == (2.5, True)
    assert (given["draw_laplace"].points, given["draw_laplace"].is_manual) == (4, False)
    assert given["draw_laplace"].comment == "Elegant."


# manual.csv


def test_there_is_a_row_for_what_is_to_be_marked(tmp_path):
    records = [record("bea"), partly("anna"), failed("chen")]
    manual = gradebook.write_manual(tmp_path, kit(), records)
    expected = [("anna", "free_bits"), ("anna", "written"), ("bea", "written")]
    expected += [("chen", key.name) for key in kit().keys] + [("chen", "written")]
    assert [(row["student"], row["exercise"]) for row in rows(tmp_path / "manual.csv")] == expected
    first = rows(tmp_path / "manual.csv")[0]
    assert first["answer"] == "It took longer than 10 seconds."
    assert (first["of"], first["points"], first["comment"]) == ("4", "", "")
    assert list(manual) == expected
    assert gradebook.load_manual(tmp_path / "manual.csv") == manual
    before = (tmp_path / "manual.csv").read_bytes()
    gradebook.write_manual(tmp_path, kit(), records)
    assert (tmp_path / "manual.csv").read_bytes() == before


def test_filled_rows_are_never_lost(tmp_path):
    gradebook.write_manual(tmp_path, kit(), [record("anna"), partly("bea"), record("chen")])
    fill(tmp_path / "manual.csv", anna__written=("2,5", "Good; but\nshort."), bea__free_bits="4")
    changed = [record("anna", written="Another answer."), record("bea")]
    for _ in range(2):
        manual = gradebook.write_manual(tmp_path, kit(), changed)
        assert list(manual) == [("anna", "written"), ("bea", "free_bits"), ("bea", "written")]
        mark = manual["anna", "written"]
        assert (mark.points, mark.comment) == (2.5, "Good; but\nshort.")
        assert mark.answer == "Another answer."
        assert scored(changed[0], manual)["written"].is_stale
    manual = gradebook.write_manual(tmp_path, kit(), [])
    assert manual["bea", "free_bits"].points == 4
    assert not scored(record("anna"), manual)["written"].is_stale


def test_a_mark_is_of_this_version_again_once_its_version_is_emptied(tmp_path):
    path = tmp_path / "manual.csv"
    gradebook.write_manual(tmp_path, kit(), [record("anna")])
    fill(path, anna__written="3")
    new = record("anna", written="New.")
    assert scored(new, gradebook.write_manual(tmp_path, kit(), [new]))["written"].is_stale
    path.write_text(",".join(rows(path)[0]) + "\nanna,written,4,x,3,,\n")
    assert not scored(new, gradebook.write_manual(tmp_path, kit(), [new]))["written"].is_stale


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (
            "student;exercise;of;answer;points;comment;version\nZoë;written;4;;2,5;größer;\n",
            "cp1252",
        ),
        ("student\texercise\tof\tanswer\tpoints\tcomment\nZoë\twritten\t4\t\t2.5\tgrößer", "utf-8"),
        (
            'Student,Exercise , of,answer,points,comment\r\nZoë,written,4,,"2,5",größer\r\n,,,\r\n',
            "utf-8-sig",
        ),
    ],
)
def test_what_spreadsheets_make_of_the_file_is_read(tmp_path, text, encoding):
    path = tmp_path / "manual.csv"
    path.write_bytes(text.encode(encoding))
    mark = Mark("Zoë", "written", 4, points=2.5, comment="größer")
    assert gradebook.load_manual(path) == {("Zoë", "written"): mark}


def test_a_damaged_manual_csv_is_an_error_and_stays_as_it_is(tmp_path):
    path = tmp_path / "manual.csv"
    header = "student,exercise,of,answer,points,comment,version\n"
    path.write_text(
        header + "anna,written,4,,5,,\nbea,written,4,,two,,\nchen,written,x,,1,,\n"
        "dora,written,4,,1,,\ndora,written,4,,2,,\nemil,written,4,,nan,,\n"
    )
    before = path.read_bytes()
    with pytest.raises(MarksError) as caught:
        gradebook.write_manual(tmp_path, kit(), [record("anna")])
    said = str(caught.value)
    assert "line 2: points of anna, written must be a number from 0 to 4, got '5'" in said
    assert "line 3: points of bea" in said
    assert "line 4: \"of\" must be a number, got 'x'" in said
    assert "line 6: dora, written stands there twice" in said
    assert "line 7: points of emil" in said
    assert path.read_bytes() == before
    path.write_text("name,points\n")
    with pytest.raises(MarksError, match="no column student, exercise, of, answer, comment"):
        gradebook.load_manual(path)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|'/c calc'!A1"])
def test_no_answer_is_a_formula_and_comments_come_back_as_written(tmp_path, text):
    gradebook.write_manual(tmp_path, kit(), [record("anna", written=text)])
    assert rows(tmp_path / "manual.csv")[0]["answer"] == "'" + text.replace("\t", "\t'")
    fill(tmp_path / "manual.csv", anna__written=("1", text.strip()))
    manual = gradebook.write_manual(tmp_path, kit(), [record("anna", written=text)])
    assert manual["anna", "written"].comment == text.strip()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_comments_stay_as_they_are_with_whatever_delimiter_the_file_is_saved(tmp_path, delimiter):
    comment, path = "x;=1+1\n-2,@b;'=c\t+1", tmp_path / "manual.csv"
    manual = {("anna", "written"): Mark("anna", "written", 4, points=1, comment=comment)}
    gradebook._write(path, manual)
    for _ in range(2):
        table = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows(table)
        manual = gradebook.write_manual(tmp_path, kit(), [record("anna")])
        assert manual["anna", "written"].comment == comment


def test_long_answers_and_control_characters_fit_into_a_spreadsheet(tmp_path):
    answer = "\0\x1b[31mred\x1b[0m \u202eturned\ud800\r\n" + "x" * 200_000
    gradebook.write_manual(tmp_path, kit(), [record("anna", written=answer)])
    shown = rows(tmp_path / "manual.csv")[0]["answer"]
    assert shown.startswith("�red �turned�\nxxx")
    assert len(shown) < 32_767
    assert gradebook.load_manual(tmp_path / "manual.csv")


def test_a_reason_that_quotes_a_student_is_no_formula(tmp_path):
    for why in ("=1+1", "x;=1+1"):
        gradebook.write_manual(tmp_path, kit(), [partly("anna", why)])
        (shown, _) = (row["answer"] for row in rows(tmp_path / "manual.csv"))
        assert shown == why.replace("=", "'=")


def test_an_answer_that_differs_only_where_the_record_ends_is_another_one(tmp_path):
    long = results.shortened("x" * 30_000, 20_000)
    assert long.endswith("x\n... (10,000 more characters)")
    one = record("anna", written=long, digest="1" * 64)
    manual = gradebook.write_manual(tmp_path, kit(), [one])
    fill(tmp_path / "manual.csv", anna__written="3")
    manual = gradebook.load_manual(tmp_path / "manual.csv")
    assert not scored(one, manual)["written"].is_stale
    assert scored(one | {"digest": "2" * 64}, manual)["written"].is_stale
    own = [cell("answer", long, id="free-bits")]
    one = partly("bea") | {"cells": own}
    assert gradebook._version(one, "free_bits") != gradebook._version(
        one | {"digest": "2" * 64}, "free_bits"
    )


def test_a_quoted_sentence_is_no_markup_and_no_formula_in_nbgraders_pages():
    from nbconvert.filters import markdown2html

    quoted = r"raised ValueError: <b>[x](y) $\href{javascript:x}{y}$ \(a\) \\[b\\] $$c$$ & &amp;"
    page = markdown2html(gradebook._as_markdown(quoted))
    assert "<b>" not in page
    assert "href=" not in page
    read = html.unescape(re.sub("</?(p|span)>", "", page)).strip()
    assert read == quoted
    # A browser puts no text together across elements.
    for text in map(html.unescape, re.split("<[^>]*>", page)):
        assert text in ("$", "\\") or not {"$", "\\"} & set(text)


# Marks of another file


def merged(tmp_path, text):
    (tmp_path / "given.csv").write_text(text)
    gradebook.merge(tmp_path, kit(), tmp_path / "given.csv")
    return gradebook.load_manual(tmp_path / "manual.csv")


def test_marks_are_merged_also_for_what_was_graded(tmp_path):
    records = [record("anna"), partly("bea")]
    save(tmp_path, *records)
    gradebook.write_manual(tmp_path, kit(), records)
    manual = merged(
        tmp_path,
        "comment,points,exercise,student,more\n"
        "fine,3.5,written,anna,\n,0,free_bits,bea,\n,2,draw_laplace,anna,x\n,,written,bea,\n",
    )
    assert manual["anna", "written"].points == 3.5
    assert manual["anna", "written"].comment == "fine"
    assert manual["bea", "free_bits"].points == 0
    assert not manual["bea", "written"].is_filled
    manual = gradebook.write_manual(tmp_path, kit(), records)
    given = scored(records[0], manual)
    assert (given["draw_laplace"].points, given["draw_laplace"].is_manual) == (2, True)
    assert not given["draw_laplace"].is_stale
    same = merged(tmp_path, "student,exercise,points\nanna,written,3.5\nanna,written,3.5\n")
    assert same == manual


def test_marks_with_errors_are_listed_and_none_is_merged(tmp_path):
    save(tmp_path, record("anna"))
    gradebook.write_manual(tmp_path, kit(), [record("anna")])
    fill(tmp_path / "manual.csv", anna__written=("1", "short"))
    before = (tmp_path / "manual.csv").read_bytes()
    with pytest.raises(MarksError) as caught:
        merged(
            tmp_path,
            "student,exercise,points,comment\nanna,draw_laplace,2,\nbea,written,1,\n"
            "anna,nothing,1,\nanna,free_bits,4.5,\nanna,free_bits,-1,\nanna,free_bits,many,\n"
            "anna,draw_laplace,3,\nanna,written,2,\nanna,written,1,long\n",
        )
    said = str(caught.value).split("\n")[1:]
    assert [line.split(":")[0].strip() for line in said] == [
        "line 3", "line 4", "line 5", "line 6", "line 7", "line 8", "line 9", "line 10", "line 10",
    ]  # fmt: skip
    assert "no submission of 'bea'" in said[0]
    assert "no exercise 'nothing', only full_gaussian_kl" in said[1]
    assert "from 0 to 4, got '4.5'" in said[2]
    assert "line 2 says otherwise" in said[5]
    assert "has points 1.0 in manual.csv, here 2.0" in said[6]
    assert (tmp_path / "manual.csv").read_bytes() == before


# nbgrader


@pytest.fixture
def database(tmp_path):
    return f"sqlite:///{tmp_path / 'gradebook.db'}"


def content(database):
    """Everything the gradebook says, without its random ids."""
    from nbgrader.api import Gradebook

    with Gradebook(database) as book:
        return {
            (submission.student.id, grade.name): (
                grade.score,
                grade.max_score,
                grade.auto_score,
                grade.manual_score,
                bool(grade.needs_manual_grade),
            )
            for assignment in book.assignments
            for submission in assignment.submissions
            for notebook in submission.notebooks
            for grade in notebook.grades
        }


@pytest.mark.slow
def test_the_gradebook_shows_scores_and_what_needs_a_mark(tmp_path, database):
    from nbgrader.api import Gradebook

    wrong = exercise("draw_laplace", 0, "wrong", "raised ValueError: <script>[x](y)")
    records = [record("anna", [wrong]), partly("bea"), failed("chen"), record("dora", written="")]
    save(tmp_path, *records)
    gradebook.write_manual(tmp_path, kit(), records)
    fill(tmp_path / "manual.csv", anna__written=("3.5", "Good."), bea__free_bits="2")
    assert gradebook.export(tmp_path, kit(), database) == (4, 2)
    told = content(database)
    assert told["anna", "draw-laplace-check"] == (0, 4, 0, None, False)
    assert told["anna", "written"] == (3.5, 4, None, 3.5, False)
    assert told["bea", "free-bits-check"] == (2, 4, None, 2, False)
    assert told["bea", "written"] == (0, 4, None, None, True)
    assert all(value[2:] == (None, None, True) for (who, _), value in told.items() if who == "chen")
    assert told["dora", "written"] == (0, 4, 0, None, False)
    with Gradebook(database) as book:
        found = {one["student"]: one for one in book.submission_dicts(ASSIGNMENT)}
        assert (found["anna"]["score"], found["anna"]["max_score"]) == (19.5, 24)
        assert not found["anna"]["needs_manual_grade"]
        assert not found["dora"]["needs_manual_grade"]
        assert found["bea"]["needs_manual_grade"]
        assert found["chen"]["needs_manual_grade"]
        where = (ASSIGNMENT, ASSIGNMENT, "anna")
        assert book.find_comment("written", *where).comment == "Good."
        assert "&#60;script>&#91;x](y)" in book.find_comment("draw-laplace", *where).comment
        assert book.find_comment("free-bits", *where).comment is None
    assert gradebook.export(tmp_path, kit(), database) == (4, 2)
    assert content(database) == told


@pytest.mark.slow
def test_only_who_is_graded_now_is_exported(tmp_path, database):
    save(tmp_path, record("withdrew"), record("set"), record("007"))
    reports.write_grades(tmp_path, [record("007")], {}, [Aside("set", "set.pdf", "No.")])
    assert gradebook.export(tmp_path, kit(), database) == (1, 1)
    assert {student for student, _ in content(database)} == {"007"}


@pytest.mark.slow
def test_an_export_without_results_or_of_others_says_so(tmp_path, database):
    with pytest.raises(ValueError, match=f"no grades.csv in .*: grade {ASSIGNMENT} first"):
        gradebook.export(tmp_path, kit(), database)
    save(tmp_path, record("anna"), record("bea"))
    (tmp_path / "results" / "anna.json").write_bytes(b"")
    with pytest.raises(ValueError, match="has no result of anna, or a damaged one"):
        gradebook.export(tmp_path, kit(), database)
    save(tmp_path, record("anna", assignment="05_sparse"))
    with pytest.raises(ValueError, match=f"holds results of 05_sparse, not {ASSIGNMENT}"):
        gradebook.export(tmp_path, kit(), database)
    assert content(database) == {}


@pytest.mark.slow
def test_what_others_wrote_into_the_gradebook_stays(tmp_path, database):
    from nbgrader.api import Gradebook

    save(tmp_path, record("anna"))
    gradebook.export(tmp_path, kit(), database)
    with Gradebook(database) as book:
        book.add_student("anna-lena", first_name="Anna-Lena")
        book.update_or_create_student("anna", first_name="Anna", email="a@example.org")
        book.add_assignment("other")
        book.add_notebook("p1", "other")
        book.add_grade_cell("cell", "p1", "other", max_score=7, cell_type="code")
        book.add_submission("other", "anna")
        book.find_grade("cell", "p1", "other", "anna").manual_score = 6
        # In the formgrader somebody marked the written answer and changed a mark.
        where = (ASSIGNMENT, ASSIGNMENT, "anna")
        book.find_grade("written", *where).manual_score = 2
        book.find_grade("free-bits-check", *where).manual_score = 1
        book.find_comment("free-bits", *where).manual_comment = "A friend's."
        book.db.commit()
    assert gradebook.export(tmp_path, kit(), database) == (1, 0)
    told = content(database)
    assert told["anna", "cell"][0] == 6
    assert told["anna", "written"] == (2, 4, None, 2, False)
    assert told["anna", "free-bits-check"] == (1, 4, 4, 1, False)
    with Gradebook(database) as book:
        assert book.find_student("anna").first_name == "Anna"
        assert {student.id for student in book.students} == {"anna", "anna-lena"}
        assert book.find_comment("free-bits", *where).comment == "A friend's."


@pytest.mark.slow
def test_a_gradebook_with_other_points_is_refused(tmp_path, database):
    save(tmp_path, record("anna"))
    gradebook.export(tmp_path, kit(), database)
    other = kit()
    other.written = 6
    before = content(database)
    with pytest.raises(ValueError, match="other cells or points"):
        gradebook.export(tmp_path, other, database)
    assert content(database) == before
