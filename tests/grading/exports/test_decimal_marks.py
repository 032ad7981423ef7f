"""The decimal mark is that of the whole sheet, or asked for; a cell that has two readings is never guessed."""

from __future__ import annotations

import csv
import io

import pytest

from netlens_core.grading.exercise import CourseError
from netlens_core.grading.exports.canvas import Assignment, filled_sheet
from netlens_core.grading.exports.decimal_marks import Cell, decimal_mark
from netlens_core.grading.exports.matching import Person
from netlens_core.grading.exports.moodle import filled_worksheet

FRACTALS = Assignment("fractals", ("Draw a fern",), 10.0)


def cells(*texts):
    return [Cell(text, f"row {row}") for row, text in enumerate(texts, 2)]


@pytest.mark.parametrize(
    ("others", "text", "value"),
    [
        (["3.50"], "1,000", 1000),
        (["3,50"], "1,000", 1),
        (["3,50"], "1.000", 1000),
        (["3.50"], "1.000", 1),
        ([], "1,000.00", 1000),
        ([], "1.000,50", 1000.5),
        ([], "1 000,00", 1000),
        ([], "1\u202f000", 1000),
        ([], "1\u00a0000,5", 1000.5),
        ([], "1\u2009000.5", 1000.5),
        ([], "1'000.00", 1000),
        ([], "1\u2019000", 1000),
        ([], "1.234.567", 1_234_567),
        (["1.234.567"], "1,000", 1),
        (["0,125"], "2,125", 2.125),
        (["1234,567"], "1.000", 1000),
        (["85,5 %"], "1.000", 1000),
        ([], "10,0", 10),
        ([], " 10 ", 10),
        ([], "1000", 1000),
        ([], ".5", 0.5),
        (["EX", "", "-", "1,2,3", "2026-11-28", "3.5"], "1,000", 1000),
    ],
)
def test_numbers_are_read_as_the_sheet_writes_them(others, text, value):
    [cell] = cells(text)
    assert decimal_mark("s.csv", [*cells(*others), cell], ",").number(cell) == value


@pytest.mark.parametrize("text", ["", "EX", "-", "five", "1/2", "12 points", "=1+1", "٣"])
def test_words_are_no_numbers(text):
    [cell] = cells(text)
    assert decimal_mark("s.csv", [cell], ",").number(cell) is None


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("text", ["1,000", "1.000", "12,345"])
def test_what_stays_open_is_an_error_that_names_cell_and_option(text, separator):
    marks = decimal_mark("s.csv", cells("10", "EX", text), separator)
    with pytest.raises(CourseError, match=rf"s\.csv: '{text}' \(row 4\) can be .* or .*--decimal"):
        marks.number(cells("10", "EX", text)[2])
    assert decimal_mark("s.csv", [], separator, ",").number(cells("1,000")[0]) == 1
    assert decimal_mark("s.csv", [], separator, ".").number(cells("1,000")[0]) == 1000


def test_contradictions_are_told_where_they_matter():
    marks = decimal_mark("s.csv", cells("3.50", "4,25"), ",")
    assert marks.number(cells("20,00")[0]) == 20  # only one reading
    with pytest.raises(
        CourseError, match=r"decimal points in '3\.50' \(row 2\) and decimal commas in '4,25' \(row 3\)"
    ):
        marks.number(cells("1,000")[0])
    with pytest.raises(CourseError, match=r"'10,0' \(row 2\) is no number where '\.' is the decimal mark"):
        decimal_mark("s.csv", [], ",", ".").number(cells("10,0")[0])


def canvas(tmp_path, possible, score="", more="", name="gradebook.csv", separator=",", encoding="utf-8"):
    path = tmp_path / name
    held = io.StringIO(newline="")
    writer = csv.writer(held, delimiter=separator)
    writer.writerow(
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Draw a fern (77)", "Essay (78)", "Sum"]
    )
    writer.writerow(["", "", "", "", "", "Manual Posting", "", ""])
    writer.writerow(["    Points Possible", "", "", "", "", possible, "10", "(read only)"])
    writer.writerow(["Byron, Ada", "1.234", "7,5", "ada", "Mon", score, more, ""])
    writer.writerow(["Hopper, Grace", "102", "8", "grace", "Mon", "", "", ""])
    path.write_bytes(held.getvalue().encode(encoding))
    return path


def filled(path, scored, decimal="", points=8.0):
    work = scored("ada", points, "fractals", 10.0)
    exported = filled_sheet(path, [work], [Person("ada")], [FRACTALS], {}, decimal)
    text = exported.files["canvas.csv"].decode("utf-8-sig")
    separator = ";" if text.count(";") > text.count(",") else ","
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    return {row[0].strip(): row[5] for row in rows}, exported


@pytest.mark.parametrize(
    ("possible", "more", "decimal", "written"),
    [
        ("1,000", "3.50", "", "800.00"),
        ("1,000.00", "", "", "800.00"),
        ("1.000,00", "", "", "800,00"),
        ("1 000,00", "", "", "800,00"),
        ("1.000", "3,50", "", "800,00"),
        ("1'000.00", "", "", "800.00"),
        ("1,000", "", ".", "800.00"),
        ("1,000", "", ",", "0,80"),
        ("10,0", "", "", "8,00"),
        ("100", "", "", "80.00"),
    ],
)
@pytest.mark.parametrize("separator", [",", ";"])
def test_canvas_points_are_scaled_to_what_the_sheet_means(
    tmp_path, scored, possible, more, decimal, written, separator
):
    cells, _ = filled(canvas(tmp_path, possible, more=more, separator=separator), scored, decimal)
    told = written.replace(".", ",") if possible == "100" and separator == ";" else written
    assert cells["Byron, Ada"] == told and cells["Points Possible"] == possible and cells["Hopper, Grace"] == ""


def test_canvas_asks_where_ids_are_the_only_other_numbers(tmp_path, scored):
    """`1.234` and `7,5` are IDs: they tell nothing of how points are written."""
    with pytest.raises(CourseError, match=r"'1,000' \(row 3, column Draw a fern \(77\)\) can be 1000 or 1;.*--decimal"):
        filled(canvas(tmp_path, "1,000"), scored)


@pytest.mark.parametrize("possible", ["ten", "100%", "n/a"])
def test_canvas_points_possible_that_are_no_number_are_refused(tmp_path, scored, possible):
    with pytest.raises(CourseError, match="is no number of points"):
        filled(canvas(tmp_path, possible), scored)


@pytest.mark.parametrize(("possible", "words"), [("", "does not say what"), ("0", "gives 0 points")])
def test_canvas_without_points_possible_is_not_scaled_and_told(tmp_path, scored, possible, words):
    cells, exported = filled(canvas(tmp_path, possible), scored)
    assert cells["Byron, Ada"] == "8.00" and any(words in note for note in exported.notes)


def test_canvas_read_only_columns_are_left_alone_and_told(tmp_path, scored):
    cells, exported = filled(canvas(tmp_path, "(read only)", score="3.00"), scored)
    assert cells["Byron, Ada"] == "3.00" and exported.filled == set() and exported.left_out
    assert any("read only" in note for note in exported.notes)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_spreadsheets_unicode_text_with_tabs_gets_commas_again(tmp_path, scored, encoding):
    path = canvas(tmp_path, "1.000,00", separator="\t", encoding=encoding)
    cells, exported = filled(path, scored)
    assert cells["Byron, Ada"] == "800,00" and exported.files["canvas.csv"].startswith(b"\xef\xbb\xbfStudent,ID,")


def test_excels_line_that_names_the_separator_and_commas_in_titles_do_not_mislead(tmp_path, scored):
    path = canvas(tmp_path, "1.000,00", separator=";")
    text = path.read_text().replace("Essay (78)", '"Essay, on life, love, loss, luck, and more, (78)"')
    path.write_text("sep=;\r\n" + text, newline="")
    cells, exported = filled(path, scored)
    assert cells["Byron, Ada"] == "800,00" and exported.files["canvas.csv"].startswith(b"Student;ID;")


def test_a_workbook_is_told_from_csv(tmp_path, scored):
    path = tmp_path / "gradebook.xlsx"
    path.write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(CourseError, match=r"spreadsheet's own file.*CSV UTF-8"):
        filled(path, scored)


@pytest.mark.parametrize(
    ("maximum", "other", "decimal", "written"),
    [("1,000.00", "", "", "800.00"), ("1,000", "4.50", "", "800.00"), ("1.000", "4,50", "", "800,00"),
     ("1,000", "", ".", "800.00"), ("10,0", "", "", "8,00")],
)  # fmt: skip
def test_moodles_maximum_is_read_from_the_whole_sheet_too(tmp_path, scored, maximum, other, decimal, written):
    path = tmp_path / "worksheet.csv"
    rows = [["Identifier", "Full name", "Grade", "Maximum Grade", "Grade can be changed"]]
    rows += [["Participant 1", "Ada", "", maximum, "Yes"], ["Participant 2", "Zed", other, maximum, "Yes"]]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    work = scored("ada", 8.0, "fractals", 10.0)
    data = filled_worksheet(path, [work], [Person("ada")], 10.0, {}, decimal).files["moodle.csv"]
    assert list(csv.reader(io.StringIO(data.decode())))[1][2] == written


def test_moodle_asks_as_well(tmp_path, scored):
    path = tmp_path / "worksheet.csv"
    path.write_text('Identifier,Full name,Grade,Maximum Grade\nParticipant 1,Ada,,"1,000"\n')
    with pytest.raises(CourseError, match=r"can be 1000 or 1;.*--decimal"):
        filled_worksheet(path, [scored("ada")], [Person("ada")], 10.0, {})
