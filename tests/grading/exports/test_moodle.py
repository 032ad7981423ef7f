"""Moodle's worksheet comes back as Moodle wrote it, with grades and comments; and so does the gradebook's import."""

from __future__ import annotations

import csv
import html
import io
import re

import pytest

from netlens_core.grading.exercise import CourseError
from netlens_core.grading.exports.matching import Person, read_people
from netlens_core.grading.exports.moodle import filled_worksheet, gradebook_file

HEADING = (
    'Identifier,"Full name","ID number","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Online text","Last modified (grade)","Feedback comments"'
)
DATE = '"Wednesday, 25 November 2026, 4:40 PM"'
ROWS = (
    f'"Participant 11","Ada Lovelace",007,ada@uni.edu,"Submitted for grading",,5.00,Yes,{DATE},"=1+1",-,""',
    f'"Participant 12","Žofie Nováková",008,zofie@uni.edu,"Submitted",1.00,5.00,Yes,{DATE},,{DATE},"Old <b>one</b>"',
    '"Participant 13","Zed ""Z"" O\'Brien",009,zed@uni.edu,"No submission",,5.00,Yes,-,,-,""',
)
CZECH = "Identifikátor,Jméno,Stav,Hodnocení,Nejvyšší známka,Lze měnit,Změněno,Komentáře"


def worksheet(tmp_path, rows=ROWS, heading=HEADING):
    path = tmp_path / "worksheet.csv"
    path.write_bytes(("\n".join([heading, *rows]) + "\n").encode())
    return path


def as_moodle_reads(data: bytes, names=("Identifier", "Grade", "Last modified (grade)", "Feedback comments")):
    """Participant -> grade (None where the import passes it over), modified, comment: by the importer's rules."""
    assert b'\\"' not in data  # for PHP's fgetcsv, that quote ends no cell
    heading, *rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    places = [heading.index(name) for name in names]
    found = {}
    for row in rows:
        participant, grade, modified, comment = (row[at] for at in places)
        number = participant[len("Participant ") :]
        assert number.isdigit()
        value = float(grade.replace(",", ".")) if grade else None
        found[int(number)] = (value, modified, comment)
    return found


def people(*students):
    return [Person(student) for student in students]


def test_grades_and_comments_are_filled_in_and_everything_else_stays(tmp_path, scored):
    path = worksheet(tmp_path)
    works = [scored("ada", 3.255, late=1, comment="<i>Good</i>, but:\n=SUM(1)"), scored("gone", 1)]
    exported = filled_worksheet(path, works, people("ada", "gone"), 5.0, {})
    found = as_moodle_reads(exported.files["moodle.csv"])
    grade, modified, comment = found[11]
    assert (grade, modified) == (2.25, "-")
    assert "probability: 0.25, at least 0.9" in comment and "category" not in comment  # only what was amiss
    assert "It works. 3.25/5" in comment and "Nearly &lt;there&gt;." in comment and "&lt;i&gt;Good" in comment
    assert "taken off" in comment and not re.search(r"<(?!br>)", comment)
    assert found[12] == (1.0, "Wednesday, 25 November 2026, 4:40 PM", "Old <b>one</b>")  # not deleted by an empty one
    assert found[13][0] is None
    before = list(csv.reader(io.StringIO(path.read_text())))
    after = list(csv.reader(io.StringIO(exported.files["moodle.csv"].decode())))
    changed = {(a, c) for a, row in enumerate(before) for c, cell in enumerate(row) if after[a][c] != cell}
    assert changed == {(1, 5), (1, 9), (1, 11)} and after[1][9] == "'=1+1"  # the student's own text
    told = "\n".join(exported.notes)
    assert "not in the worksheet, so without a grade there: gone" in told
    assert "only in the worksheet, left as they are: Žofie Nováková" in told


@pytest.mark.parametrize("student", ["11", "007", "ADA@uni.edu", "ada", "Ada Lovelace", "ada_lovelace"])
def test_students_are_found_by_whatever_names_their_folder(tmp_path, scored, student):
    exported = filled_worksheet(worksheet(tmp_path), [scored(student, 5)], people(student), 5.0, {})
    assert as_moodle_reads(exported.files["moodle.csv"])[11][0] == 5.0


def test_no_comment_swallows_the_rows_of_others_and_none_is_a_formula_wherever_cells_begin(tmp_path, scored):
    """Backslashes, for PHP's reader; separators and line breaks, for spreadsheets that expect semicolons."""
    hostile = "x, \"y\\\" z;=1+1\n@SUM(1)\n-1+cmd|' /C calc'!A0\tand-so-on, C:\\"
    rows = [ROWS[0].replace("=1+1", r"tail, C:\ "[:-1]), *ROWS[1:]]
    exported = filled_worksheet(worksheet(tmp_path, rows), [scored("ada", 1, comment=hostile)], people("ada"), 5.0, {})
    found = as_moodle_reads(exported.files["moodle.csv"])
    assert sorted(found) == [11, 12, 13] and found[12][0] == 1.0
    comment = found[11][2]
    assert not re.search(r"[=@\t\\]|(?<!\w)[+\-|]", comment) and "and-so-on" in comment
    assert html.unescape(comment.replace("<br>  ", "\n")).endswith(hostile)


def test_a_sheet_that_a_spreadsheet_saved_has_commas_again(tmp_path, scored):
    heading, rows = HEADING.replace(",", ";"), [re.sub(r",(?! )", ";", row) for row in ROWS]
    exported = filled_worksheet(worksheet(tmp_path, rows, heading), [scored("ada", 2)], people("ada"), 5.0, {})
    assert as_moodle_reads(exported.files["moodle.csv"])[11][0] == 2.0


def test_id_numbers_keep_their_zeros(tmp_path, scored):
    exported = filled_worksheet(worksheet(tmp_path), [scored("7", 5)], people("7"), 5.0, {})
    assert as_moodle_reads(exported.files["moodle.csv"])[11][0] is None
    assert any("without a grade there: 7" in note for note in exported.notes)


def test_another_maximum_scales_and_more_than_it_is_cut(tmp_path, scored):
    path = worksheet(tmp_path, [row.replace("5.00", "100.00") for row in ROWS])
    works = [scored("ada", 2.5), scored("zed", 6)]
    exported = filled_worksheet(path, works, people("ada", "zed"), 5.0, {})
    found = as_moodle_reads(exported.files["moodle.csv"])
    assert found[11][0] == 50.0 and found[13][0] == 100.0
    told = "\n".join(exported.notes)
    assert told.count("scaled") == 1 and "zed gets 100" in told


def test_a_sheet_in_another_language_is_read_by_what_it_holds(tmp_path, scored):
    rows = (
        '"Účastník 11","Ada Lovelace",Odevzdáno,,"5,00",Ano,-,',
        '"Účastník 12","Zed",Neodevzdáno,"1,50","5,00",Ano,-,',
    )
    path = worksheet(tmp_path, rows, CZECH)
    exported = filled_worksheet(path, [scored("11", 2.5)], people("11"), 5.0, {"comments": "Komentáře"})
    heading, first, second = csv.reader(io.StringIO(exported.files["moodle.csv"].decode()))
    assert heading == CZECH.split(",")
    assert first[3:5] == ["2,50", "5,00"] and first[7].startswith("It works.") and second[3] == "1,50"


@pytest.mark.parametrize(
    ("heading", "rows", "words"),
    [
        ("Name,Points", ["ada,3"], "no grade and no identifier"),
        ("Identifier,Full name,Status", ["Participant 1,Ada,x"], "no grade.*Download grading worksheet"),
    ],
)
def test_another_sheet_is_refused_with_what_to_do(tmp_path, scored, heading, rows, words):
    with pytest.raises(CourseError, match=words):
        filled_worksheet(worksheet(tmp_path, rows, heading), [scored("ada")], people("ada"), 5.0, {})


def test_a_column_that_is_not_there_is_told(tmp_path, scored):
    with pytest.raises(CourseError, match="no column 'Mark'"):
        filled_worksheet(worksheet(tmp_path), [scored("ada")], people("ada"), 5.0, {"grade": "Mark"})


def test_the_gradebook_import_has_who_points_and_feedback(tmp_path, scored):
    path = tmp_path / "students.csv"
    path.write_text("student,username,id number,email\nada,al,007,ada@uni.edu\neve,=cmd(),8,e@x\nnil,n,9,n@x\nx,,,\n")
    works = [scored("ada", 3.25, comment="a,b"), scored("eve", 1), scored("x", 2)]
    exported = gradebook_file(works, read_people(path), "What is it?")
    [row] = csv.DictReader(io.StringIO(exported.files["moodle.csv"].decode(), newline=""))
    assert list(row) == ["Username", "ID number", "Email address", "What is it?", "What is it? (feedback)"]
    assert [*row.values()][:4] == ["al", "007", "ada@uni.edu", "3.25"] and "a,b" in row["What is it? (feedback)"]
    told = "\n".join(exported.notes)
    assert "enter these by hand: eve" in told and "no ID of theirs: x" in told and exported.left_out


def test_without_a_list_the_id_is_the_folders_name(scored):
    exported = gradebook_file([scored("007", 3)], [Person("007")], "Noise")
    assert exported.files["moodle.csv"].startswith(b"Username,Noise,Noise (feedback)\r\n007,3.00,")


# Columns as language packs name them: identifier, name, ID number, e-mail, grade, maximum, changeable, comments.
LANGUAGES = {
    "cs": "Identifikátor,Celé jméno,Identifikační číslo,E-mailová adresa,Známka,Maximální známka,X,Komentář",
    "de": "ID,Vollständiger Name,ID-Nummer,E-Mail-Adresse,Bewertung,Bestwertung,"
    "Bewertung kann geändert werden,Feedback als Kommentar",
    "fr": "Identifiant,Nom complet,Numéro d’identification,Adresse de courriel,Note,Note maximale,"
    "La note peut être modifiée,Commentaires",
    "es": "Identificador,Nombre completo,Número de ID,Dirección de correo,Calificación,Calificación máxima,"
    "La calificación puede ser cambiada,Comentarios de retroalimentación",
    "it": "Identificatore,Cognome Nome,Matricola,Indirizzo email,Valutazione,Valutazione massima,Y,Commenti",
    "pl": "Identyfikator,Imię i nazwisko,Numer ID,Adres e-mail,Ocena,Ocena maksymalna,Z,Komentarze zwrotne",
}
WORDS = {"cs": ("Ano", "Ne"), "de": ("Ja", "Nein"), "fr": ("Oui", "Non"), "es": ("Sí", "No"), "it": ("Sì", "No")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_headings_of_the_sites_own_language_are_found(tmp_path, scored, language):
    yes, no = WORDS.get(language, ("Tak", "Nie"))
    rows = (
        f'"Teilnehmer/in11",Ada Lovelace,007,ada@uni.edu,,"10,00",{yes},',
        f'"Teilnehmer/in12",Žofie Nováková,008,zofie@uni.edu,"1,00","10,00",{no},kept',
        f'"Teilnehmer/in13",Zed,009,Zed@Uni.edu,,"10,00",{yes},',
    )
    works = [scored("007", 5), scored("zofie", 5), scored("zed", 2.5)]
    path = worksheet(tmp_path, rows, "\ufeff" + LANGUAGES[language])
    exported = filled_worksheet(path, works, people("007", "zofie", "zed"), 5.0, {})
    first, second, third = list(csv.reader(io.StringIO(exported.files["moodle.csv"].decode())))[1:]
    assert (first[4], second[4], third[4]) == ("10,00", "1,00", "5,00")
    assert first[7].startswith("It works.") and second[7] == "kept"
    assert exported.filled == {("007", "noise"), ("zed", "noise")}
    [locked] = [note for note in exported.notes if "left as they are: zofie" in note]
    assert repr(LANGUAGES[language].split(",")[6]) in locked


def test_a_grade_that_cannot_be_changed_is_left_alone_and_told(tmp_path, scored):
    rows = [ROWS[0].replace("Yes", "No"), *ROWS[1:]]
    exported = filled_worksheet(worksheet(tmp_path, rows), [scored("ada", 5)], people("ada"), 5.0, {})
    assert list(csv.reader(io.StringIO(exported.files["moodle.csv"].decode())))[1][5:8] == ["", "5.00", "No"]
    assert exported.filled == set() and any("'Grade can be changed' is No" in note for note in exported.notes)


def test_a_sheet_without_comments_says_that_students_get_points_only(tmp_path, scored):
    path = worksheet(tmp_path, ["Participant 11,Ada,,5.00"], "Identifier,Full name,Grade,Maximum Grade")
    exported = filled_worksheet(path, [scored("11", 5)], people("11"), 5.0, {})
    assert any("points only" in note and "--column comments=" in note for note in exported.notes)


def test_a_misspelt_column_is_told_with_those_that_exist(tmp_path, scored):
    with pytest.raises(CourseError, match=r"no column 'Feedbak comments' \(it has Identifier, .*did you mean 'Feedb"):
        filled_worksheet(worksheet(tmp_path), [scored("ada")], people("ada"), 5.0, {"comments": "Feedbak comments"})


@pytest.mark.parametrize("maximum", ["100%", "0", "many"])
def test_a_maximum_that_is_no_number_is_refused(tmp_path, scored, maximum):
    path = worksheet(tmp_path, [row.replace("5.00", maximum) for row in ROWS])
    with pytest.raises(CourseError, match="no number of points"):
        filled_worksheet(path, [scored("ada")], people("ada"), 5.0, {})
