"""Canvas's gradebook is filled in so that Canvas's import takes it, and nothing else in it changes."""

from __future__ import annotations

import csv
import io
import re

import pytest

from netlens_core.grading.exercise import CourseError
from netlens_core.grading.exports.canvas import Assignment, filled_sheet, new_sheet
from netlens_core.grading.exports.matching import Person, read_people

NOISE = Assignment("noise", ("Co je to?", "What is it?"), 5.0)
CAM = Assignment("cam", ("Where it looked",), 4.0)
HEADING = (
    "Student,ID,SIS User ID,SIS Login ID,Section,What is it? (4711),Essay (4712),Assignments Current Points,Final Score"
)
POSSIBLE = "    Points Possible,,,,,5.00,10.00,(read only),(read only)"
ROWS = (
    '"Lovelace, Ada",101,007,ada@uni.edu,Monday,,7.00,7.00,70.00',
    '"Nováková, Žofie",102,008,zofie,"Monday, late",EX,,0.00,',
    '"O""Brien, Zed",103,009,zed,Monday,1.00,,1.00,',
    '"=cmd|calc, Eve",104,010,eve,Monday,,,,',
    '"Student, Test",199,,abcdef,Monday,,,,',
)


def gradebook(tmp_path, rows=ROWS, heading=HEADING, possible=POSSIBLE, bom=True, newline="\r\n"):
    path = tmp_path / "gradebook.csv"
    lines = [heading, ",,,,,Manual Posting,,,", possible, *rows]
    path.write_bytes((newline.join(lines) + newline).encode("utf-8-sig" if bom else "utf-8"))
    return path


def people(*students):
    return [Person(student) for student in students]


def as_canvas_reads(data: bytes) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Points possible and rows by ID, read by the rules of Canvas's importer (lib/gradebook_importer.rb)."""
    text = data.decode("utf-8")
    lines = text.splitlines()[:3]
    semicolons = [len(next(csv.reader([line], delimiter=";"))) for line in lines]
    commas = [len(next(csv.reader([line]))) for line in lines]
    separator = ";" if len(set(semicolons)) == 1 and semicolons[0] > commas[0] else ","
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
    rows = [row for row in rows if not re.fullmatch(r"[;, ]*", separator.join(row))]

    def number(cell: str) -> str:
        if not re.fullmatch(r"-?[0-9.,]+%?", cell):
            return cell
        *whole, last = re.split(r"[.,]", cell)
        return f"{''.join(whole)}.{last}" if whole else last

    heading, *rest = rows
    split = heading[:2] == ["LastName", "FirstName"]
    assert len(heading) > 3 and (split or "Student" in heading[0]) and "ID" in heading[1 + split]
    assert heading[2 + split : 4 + split] == ["SIS User ID", "SIS Login ID"] and "Section" in heading[4 + split]
    heading[0] = heading[0].removeprefix("\ufeff")  # Canvas only asks whether it contains "Student"
    possible, students = {}, {}
    for row in rest:
        cells = dict(zip(heading, map(number, row), strict=True))
        if "Points Possible" in row[0]:
            possible = cells
        elif not all(re.fullmatch(r"\s*(Muted|Manual Posting.*)?\s*", cell, re.I) for cell in row):
            students[row[1 + split] or row[3 + split]] = cells
    return possible, students


def test_points_are_filled_in_and_everything_else_stays(tmp_path, scored):
    path = gradebook(tmp_path)
    works = [scored("ada", 3.255, late=1.0), scored("Žofie Nováková", 5), scored("009", 0), scored("gone", 2)]
    exported = filled_sheet(path, works, people("ada", "Žofie Nováková", "009", "gone"), [NOISE, CAM], {})
    data = exported.files["canvas.csv"]
    possible, rows = as_canvas_reads(data)
    assert [rows[number]["What is it? (4711)"] for number in ("101", "102", "103", "104")] == ["2.25", "EX", "0.00", ""]
    assert possible["What is it? (4711)"] == "5.00"
    before, after = path.read_bytes().splitlines(), data.splitlines()
    assert before[0] == after[0] and after[0].startswith(b"\xef\xbb\xbf") and data.endswith(b"\r\n")
    assert after[3] == before[3].replace(b"Monday,,7", b"Monday,2.25,7")
    assert after[4] == before[4] and after[7] == before[7]
    assert [row["SIS User ID"] for row in rows.values()][:2] == ["007", "008"]
    told = "\n".join(exported.notes)
    assert "not in the sheet, so without a grade there: gone" in told
    assert "excused from noise" in told and "Žofie" in told
    assert "only in the sheet" in told and "Student, Test" not in told
    assert not exported.left_out


def test_names_in_two_columns_are_one(tmp_path, scored):
    """As Canvas writes them where it is set to show first and last names apart."""
    heading = HEADING.replace("Student,", "LastName,FirstName,")
    rows = ("Lovelace,Ada,101,007,x@uni.edu,Monday,,7.00,7.00,70.00", "=cmd,@Eve,102,008,y@uni.edu,Monday,,,,")
    path = gradebook(tmp_path, rows, heading, POSSIBLE.replace(",", ",,", 1), bom=False)
    for student in ("Ada Lovelace", "lovelaceada", "ada_lovelace"):
        exported = filled_sheet(path, [scored(student, 3)], people(student), [NOISE], {})
        assert as_canvas_reads(exported.files["canvas.csv"])[1]["101"]["What is it? (4711)"] == "3.00"
    possible, found = as_canvas_reads(exported.files["canvas.csv"])
    assert possible["What is it? (4711)"] == "5.00"
    assert (found["102"]["LastName"], found["102"]["FirstName"]) == ("'=cmd", "'@Eve")
    assert "only in the sheet, left as they are: =cmd, @Eve" in exported.notes


def test_names_are_no_formulas_and_ids_never_change(tmp_path, scored):
    rows = (*ROWS, '"Safe, Name",105,=1+1,mallory,Monday,,,,')
    exported = filled_sheet(
        gradebook(tmp_path, rows), [scored("104", 1), scored("105", 2)], people("104", "105"), [NOISE], {}
    )
    _, found = as_canvas_reads(exported.files["canvas.csv"])
    assert found["104"]["Student"] == "'=cmd|calc, Eve" and found["104"]["What is it? (4711)"] == "1.00"
    assert "105" not in found and exported.left_out
    assert any("formulas; enter these by hand: Safe, Name" in note for note in exported.notes)


def test_points_are_scaled_to_what_canvas_gives_and_commas_stay_commas(tmp_path, scored):
    heading, *rows = (line.replace(",", ";") for line in (HEADING, ROWS[2].replace('O""Brien, Zed', "Zed")))
    possible = POSSIBLE.replace("5.00", "20,00", 1).replace("10.00", "10").replace(",", ";").replace("20;00", "20,00")
    path = gradebook(tmp_path, rows, heading, possible, bom=False, newline="\n")
    path.write_text(path.read_text().replace(",,,,,Manual Posting,,,", ";;;;;Manual Posting;;;"))
    exported = filled_sheet(path, [scored("zed", 2.5)], people("zed"), [NOISE], {})
    data = exported.files["canvas.csv"]
    assert b";10,00;" in data and b"\r" not in data and not data.startswith(b"\xef\xbb\xbf")
    possible, rows = as_canvas_reads(data)
    assert possible["What is it? (4711)"] == "20.00" and rows["103"]["What is it? (4711)"] == "10.00"
    assert any("scaled" in note for note in exported.notes)


def test_an_unknown_exercise_becomes_a_new_assignment_before_canvas_sums(tmp_path, scored):
    exported = filled_sheet(gradebook(tmp_path), [scored("ada", 4, "cam", 4.0)], people("ada"), [NOISE, CAM], {})
    possible, rows = as_canvas_reads(exported.files["canvas.csv"])
    names = list(possible)
    assert names.index("Where it looked") == names.index("Assignments Current Points") - 1
    assert (possible["Where it looked"], rows["101"]["Where it looked"], rows["102"]["Where it looked"]) == (
        "4.00",
        "4.00",
        "",
    )
    assert any("Canvas will make the assignment" in note for note in exported.notes)


def test_a_column_can_be_named_and_two_are_asked_about(tmp_path, scored):
    path = gradebook(tmp_path)
    named = filled_sheet(path, [scored("ada", 5)], people("ada"), [NOISE], {"noise": "Essay"})
    _, rows = as_canvas_reads(named.files["canvas.csv"])
    assert rows["101"]["Essay (4712)"] == "10.00" and rows["101"]["What is it? (4711)"] == ""
    twice = gradebook(tmp_path, heading=HEADING.replace("Essay", "What is it?"))
    with pytest.raises(CourseError, match=r"What is it\? \(4711\).*--column noise="):
        filled_sheet(twice, [scored("ada")], people("ada"), [NOISE], {})
    with pytest.raises(CourseError, match="no column 'Exam'"):
        filled_sheet(path, [scored("ada")], people("ada"), [NOISE], {"noise": "Exam"})


def test_whoever_fits_several_rows_gets_no_grade_there(tmp_path, scored):
    rows = ('"Doe, Jo",1,,a@x.edu,M,,,,', '"Doe, Jo",2,,b@x.edu,M,,,,', '"Roe, Al",3,,al@x.edu,M,,,,')
    works = [scored("Jo Doe"), scored("al", 1), scored("AL", 2)]
    exported = filled_sheet(gradebook(tmp_path, rows), works, people("Jo Doe", "al", "AL"), [NOISE], {})
    _, found = as_canvas_reads(exported.files["canvas.csv"])
    assert all(row["What is it? (4711)"] == "" for row in found.values())
    told = "\n".join(exported.notes)
    assert exported.left_out and "fits several rows" in told and all(name in told for name in ("Jo Doe", "al, ", "AL"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Name,Points\nada,3\n", "no gradebook of Canvas"),
        (b"", "is empty"),
        ("Student,ID,Section\nŽofie,1,x\n".encode("cp1250"), "not UTF-8"),
        (b'Student,ID,Section\n"open', "is no table"),
    ],
)
def test_another_file_is_refused_with_what_to_do(tmp_path, scored, content, words):
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    with pytest.raises(CourseError, match=words):
        filled_sheet(path, [scored("ada")], people("ada"), [NOISE], {})


def test_without_a_template_a_list_of_students_makes_a_valid_import(tmp_path, scored):
    path = tmp_path / "students.csv"
    path.write_text(
        'student,name,id,sis user id,sis login id,section\nada,"Lovelace, Ada",101,007,ada@uni.edu,Monday\n'
        "mallory,=HYPERLINK(1),102,,m,=now()\nevil,Eve,103,=1+1,e,\nnobody,No Body,104,,n,\n"
    )
    known = read_people(path)
    works = [scored("ada", 3.25), scored("mallory", 1), scored("evil", 5), scored("ada", 4, "cam", 4.0)]
    exported = new_sheet(works, [*known, Person("007")], [NOISE, CAM])
    possible, rows = as_canvas_reads(exported.files["canvas.csv"])
    assert list(possible)[:6] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Co je to?"]
    assert possible["Co je to?"] == "5.00" and possible["Where it looked"] == "4.00"
    assert rows["101"] | {"Co je to?": "3.25", "Where it looked": "4.00", "SIS User ID": "007"} == rows["101"]
    assert rows["102"]["Student"] == "'=HYPERLINK(1)" and rows["102"]["Section"] == "'=now()"
    assert rows["104"]["Co je to?"] == "" and rows["007"]["SIS Login ID"] == "007"
    assert "103" not in rows and exported.left_out


CROSSED = ('"Hill, Ada",101,102,ada@u,M,,,,', '"Mill, Bob",102,103,bob@u,M,,,,')  # Ada's number is Bob's ID in Canvas


def test_a_folders_name_that_is_two_students_numbers_is_nobodys(tmp_path, scored):
    works = [scored("102", 4), scored("103", 3)]
    exported = filled_sheet(gradebook(tmp_path, CROSSED), works, people("102", "103"), [NOISE], {})
    _, rows = as_canvas_reads(exported.files["canvas.csv"])
    assert (rows["101"]["What is it? (4711)"], rows["102"]["What is it? (4711)"]) == ("", "3.00")
    assert exported.left_out and any("fits several rows" in note and "102" in note for note in exported.notes)
    assert exported.filled == {("103", "noise")}


@pytest.mark.parametrize("heading", ["id,sis user id", "student,sis user id"])
def test_a_list_tells_whose_number_it_is(tmp_path, scored, heading):
    """The column of netlens's own IDs is not taken for Canvas's."""
    path = tmp_path / "students.csv"
    path.write_text(f"{heading}\n102,102\n103,103\n")
    works = [scored("102", 4), scored("103", 3)]
    exported = filled_sheet(gradebook(tmp_path, CROSSED), works, read_people(path), [NOISE], {})
    _, rows = as_canvas_reads(exported.files["canvas.csv"])
    assert (rows["101"]["What is it? (4711)"], rows["102"]["What is it? (4711)"]) == ("4.00", "3.00")
    assert not exported.left_out


def test_the_row_of_points_is_known_in_any_language_and_two_people_in_one_list_row_are_told(tmp_path, scored):
    path = gradebook(tmp_path, possible=POSSIBLE.replace("Points Possible", "Mögliche Punkte").replace("5.00", "50.00"))
    exported = filled_sheet(path, [scored("ada", 4)], people("ada"), [NOISE], {})
    assert b"Monday,40.00,7" in exported.files["canvas.csv"] and any("scaled" in note for note in exported.notes)
    students = tmp_path / "students.csv"
    for text, words in (
        ("student,name\n7,Ada\n7,Bob\n", "rows 2 and 3: 7 is the ID"),
        ("student\n1.2E+05\n", "shorten"),
    ):
        students.write_text(text)
        with pytest.raises(CourseError, match=words):
            read_people(students)
