"""Downloads of Moodle, Canvas, Gradescope, Blackboard and nbgrader become `submitted/`; nothing is lost or escapes."""

from __future__ import annotations

import io
import json
import stat
import subprocess
import sys
import zipfile
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbgrader.utils import parse_utc
from typer.testing import CliRunner

from netlens_core.cli import app
from netlens_core.grading import downloads
from netlens_core.grading.collecting import Collection, collect
from netlens_core.grading.course import Course
from netlens_core.grading.downloads import Entry, open_download
from netlens_core.grading.intake import find_submission_file
from netlens_core.grading.nbgrader.lateness import timestamp_of
from netlens_core.grading.platforms import Person, who_handed_in
from netlens_core.grading.roster import made_id, read_roster
from netlens_core.grading.sheets import CourseError

SLUG = "noise"
NOTEBOOK = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def zipped(files: dict[str, bytes], year: int = 2026) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 11, 20, 22, 0, 0)), data)
    return held.getvalue()


def download(tmp_path: Path, files: dict[str, bytes], name: str = "download.zip", year: int = 2026) -> Path:
    path = tmp_path / name
    path.write_bytes(zipped(files, year))
    return path


def unpacked(tmp_path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = tmp_path / "unpacked" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "unpacked"


def taken(found: Collection) -> dict[str, str]:
    return {work.student: work.status for work in found.works}


def written(into: Path) -> dict[str, bytes]:
    return {path.relative_to(into).as_posix(): path.read_bytes() for path in sorted(into.rglob("*")) if path.is_file()}


# -- naming schemes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "platform", "name", "number", "file"),
    [
        ("Žofie Nová_1234567_assignsubmission_file/noise.ipynb", "Moodle", "Žofie Nová", "1234567", "noise.ipynb"),
        ("Ada Lovelace_12_assignsubmission_file_/homework/noise.ipynb", "Moodle", "Ada Lovelace", "12", "noise.ipynb"),
        ("Ada Lovelace_12_assignsubmission_file_my_noise.ipynb", "Moodle", "Ada Lovelace", "12", "my_noise.ipynb"),
        ("Participant_77_assignsubmission_file/noise.py", "Moodle", "Participant", "77", "noise.py"),
        ("Default group_assignsubmission_file/noise.py", "Moodle", "Default group", "", "noise.py"),
        ("lovelaceada_12345_67890_noise.ipynb", "Canvas", "lovelaceada", "12345", "noise.ipynb"),
        ("lovelaceada_LATE_12345_67890_noise-2.ipynb", "Canvas", "lovelaceada", "12345", "noise.ipynb"),
        ("nováková_1_2_a_3_4_b.ipynb", "Canvas", "nováková", "1", "a_3_4_b.ipynb"),
        ("anon_Ab3dE_67890_noise.ipynb", "Canvas", "anon_Ab3dE", "", "noise.ipynb"),
        ("LATE_anon_Ab3dE_67890_noise.ipynb", "Canvas", "anon_Ab3dE", "", "noise.ipynb"),
        ("lovelace_ada12345_question_9_67890_noise.ipynb", "Canvas", "lovelace_ada", "12345", "noise.ipynb"),
        ("quiz/lovelaceada_12345_text.html", "Canvas", "lovelaceada", "12345", "text.html"),
    ],
)
def test_names_are_read_as_platforms_write_them(path, platform, name, number, file):
    [handed], others = who_handed_in([Entry(PurePosixPath(path), 0.0, bytes)], SLUG)
    assert (handed.platform, handed.person, handed.file) == (platform, Person(name, number), file)
    assert others == [] and handed.late == ("LATE" in path)


@pytest.mark.parametrize("path", ["noise.ipynb", "ada/noise.ipynb", "readme.txt", "a_b_c.ipynb", "x" * 5000 + "_1_2_a"])
def test_other_names_are_nobodys(path):
    entry = Entry(PurePosixPath(path), 0.0, bytes)
    assert who_handed_in([entry], SLUG) == ([], [entry])


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="/\0"), max_size=40), max_size=4))
def test_no_name_crashes_the_reading(parts):
    entry = Entry(PurePosixPath("/".join(["x", *parts, "a_1_assignsubmission_file"])), 0.0, bytes)
    handed, others = who_handed_in([entry], SLUG)
    assert len(handed) + len(others) == 1
    for one in handed:
        made = made_id(one.person)
        assert "/" not in made and not made.startswith(".")


# -- Moodle and Canvas ----------------------------------------------------------------------------------

MOODLE = {
    "Ada Lovelace_101_assignsubmission_file/noise.ipynb": NOTEBOOK,
    "Ada Lovelace_101_assignsubmission_onlinetext/onlinetext.html": b"<p>see file</p>",
    "Žofie Nováková_102_assignsubmission_file/solution.py.txt": b"a = 1",
    "Ben Essay_103_assignsubmission_file/essay.docx": b"PK",
    "__MACOSX/._x": b"",
}
WORKSHEET = (
    "Identifier,Full name,ID number,Email address,Status,Grade,Last modified (grade)\n"
    'Participant 101,Ada Lovelace,lovelad1,ada@u.cz,"Submitted",-,-\n'
    "Participant 102,Žofie Nováková,007,zofie@u.cz,,,\n"
)
GRADEBOOK = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Noise (99)\n"
    "    Points Possible,,,,,10\n"
    '"Lovelace, Ada",12345,S-1,lovelad1,A,\n'
    '"Nová, Žofie",12346,S-2,novazof1,A,\n'
)


@pytest.mark.parametrize("as_folder", [False, True])
def test_moodle_without_a_table_gives_ids_made_from_names(tmp_path, as_folder):
    into = tmp_path / "submitted"
    found = collect((unpacked if as_folder else download)(tmp_path, MOODLE), SLUG, into)
    assert taken(found) == {"ada_lovelace": "new", "zofie_novakova": "new", "ben_essay": "refused"}
    assert written(into) == {"ada_lovelace/noise/noise.ipynb": NOTEBOOK, "zofie_novakova/noise/noise.py": b"a = 1"}
    ada, ben, _ = found.works
    assert ada.notes == [
        "ID made from the name: no table of students was given",
        "also handed in, not collected: onlinetext onlinetext.html.txt",
    ]
    assert "no notebook, Python file or zip among essay.docx" in ben.notes


def test_moodles_worksheet_tells_who_is_who(tmp_path):
    sheet = tmp_path / "grades.csv"
    sheet.write_text(WORKSHEET, encoding="utf-8-sig")
    found = collect(download(tmp_path, MOODLE), SLUG, tmp_path / "submitted", read_roster(sheet))
    assert taken(found) == {"lovelad1": "new", "007": "new", "ben_essay": "refused"}
    assert [work.known for work in found.works] == [True, False, True]
    assert "the table of students does not name them once" in found.works[1].notes[0]


def test_canvas_and_its_gradebook(tmp_path):
    sheet = tmp_path / "grades.csv"
    sheet.write_text(GRADEBOOK)
    files = {
        "lovelaceada_12345_500_noise.ipynb": b"first",
        "lovelaceada_12345_502_noise-1.ipynb": b"second",
        "lovelaceada_12345_501_plan.ipynb": b"plan",
        "novážofie_LATE_12346_503_noise.zip": b"PK",
        "doejane_99_504_noise.ipynb": NOTEBOOK,
        "doejane_99_text.html": b"",
    }
    into = tmp_path / "submitted"
    found = collect(download(tmp_path, files), SLUG, into, read_roster(sheet))
    assert taken(found) == {"doejane": "new", "lovelad1": "new", "novazof1": "new"}
    assert written(into)["lovelad1/noise/noise.ipynb"] == b"second"
    assert written(into)["novazof1/noise/noise.zip"] == b"PK"
    lovelace, nova = found.works[1:]
    assert lovelace.notes == ["1 older passed over: noise.ipynb", "also handed in, not collected: plan.ipynb"]
    assert nova.late and not lovelace.late


@pytest.mark.parametrize(
    ("table", "person", "student"),
    [
        ("name,id\nAda Lovelace,a1\n", Person("lovelaceada", "5"), "a1"),
        ("name;id\nLovelace, Ada;a1\n", Person("Ada Lovelace"), "a1"),
        ("First Name,Last Name,SID,Email\nAda,Lovelace,a1,x@y\n", Person("Ada  LOVELACE"), "a1"),
        ("First Name,Last Name,SID,Email\nAda,Lovelace,a1,x@y\n", Person("?", email="X@y"), "a1"),
        ("Full name,Email address\nŽofie Nová,zofie@u.cz\n", Person("Zofie Nova", "9"), "zofie"),
        ("Identifikátor,Celé jméno,Identifikační číslo\nÚčastník 7,Jan Hus,j1\n", Person("Participant", "7"), "j1"),
        ("name,id\nJan Hus,a1\nJan Hus,a2\n", Person("Jan Hus"), None),
        ("name,id\nJan Hus,7\n", Person("Somebody Else", "7"), None),
        ("name,id\nJan Hus,a1\n", Person(id="A1"), "a1"),
    ],
)
def test_tables_of_students(tmp_path, table, person, student):
    path = tmp_path / "table.csv"
    path.write_text(table)
    assert read_roster(path).student(person) == student


def test_tables_that_tell_nothing_are_refused_in_words(tmp_path):
    path = tmp_path / "table.csv"
    for text, said in (
        ("a,b\n1,2\n", "no column 'id'"),
        ("name,id\n", "names no student"),
        ("name,id\nA,../x\n", "row 2"),
    ):
        path.write_text(text)
        with pytest.raises(CourseError, match=said):
            read_roster(path)
    path.write_text("name,code\nAda Lovelace,x1\n")
    assert read_roster(path, "Code").student(Person("Ada Lovelace")) == "x1"


# -- Gradescope, Blackboard, nbgrader -------------------------------------------------------------------

METADATA = """---
submission_7:
  :submitters:
  - :name: Ada Lovelace
    :sid: '101'
    :email: ada@u.cz
  - :name: Ben Bit
    :sid:
    :email: ben@u.cz
  :created_at: 2026-11-20 22:15:00.123000000 Z
  :results: !ruby/hash:ActiveSupport::HashWithIndifferentAccess
    tests: []
submission_8: {}
"""


def test_gradescope_with_its_metadata(tmp_path):
    files = {
        "assignment_1_export/submission_metadata.yml": METADATA.encode(),
        "assignment_1_export/submission_7/noise.ipynb": NOTEBOOK,
        "assignment_1_export/submission_8/homework/noise.ipynb": NOTEBOOK,
    }
    into = tmp_path / "submitted"
    found = collect(download(tmp_path, files), SLUG, into)
    assert taken(found) == {"101": "new", "ben_bit": "new", "submission_8": "new"}
    stamp = written(into)["101/noise/timestamp.txt"].decode()
    assert parse_utc(stamp) == datetime(2026, 11, 20, 22, 15)
    assert "submission_8/noise/timestamp.txt" not in written(into)


@pytest.mark.parametrize(
    "text", [b"\xff", b"a: [", b"- 1", b"submission_7: 3", b"&a [*a]", b"submission_7: {':submitters': 3}"]
)
def test_broken_metadata_loses_nobody(tmp_path, text):
    files = {"submission_metadata.yml": text, "submission_7/noise.ipynb": NOTEBOOK}
    assert taken(collect(download(tmp_path, files), SLUG, tmp_path / "to")) == {"submission_7": "new"}


def test_blackboard_names_hold_id_and_time_and_the_newest_counts(tmp_path):
    files = {
        "Noise_ada_attempt_2026-11-20-22-15-00_noise.ipynb": b"old",
        "Noise_ada_attempt_2026-11-21-08-00-00_noise.ipynb": b"new",
        "Noise_ada_attempt_2026-11-21-08-00-00.txt": b"comment",
    }
    into = tmp_path / "submitted"
    [work] = collect(download(tmp_path, files), SLUG, into).works
    assert (work.student, work.platform, work.when) == ("ada", "Blackboard", "2026-11-21 08:00:00")
    assert written(into)["ada/noise/noise.ipynb"] == b"new"


def test_what_nbgrader_collected_is_taken_as_it_is(tmp_path):
    files = {"submitted/ada/noise/noise.ipynb": NOTEBOOK, "submitted/ada/noise/timestamp.txt": b"2026-11-20 22:15:00.5"}
    [work] = collect(unpacked(tmp_path, files), SLUG, tmp_path / "to").works
    assert (work.student, work.platform, work.when, work.notes) == ("ada", "nbgrader", "2026-11-20 22:15:00", [])


def test_what_zip_collect_leaves_is_what_a_course_finds(tmp_path):
    """nbgrader's own command, on a download as its documentation names files."""
    (tmp_path / "course.yaml").write_text(SHEET)
    archive = tmp_path / "downloaded" / SLUG / "archive"
    archive.mkdir(parents=True)
    download(archive, {"Noise_ada_attempt_2026-11-20-22-15-00_noise.ipynb": NOTEBOOK})
    pattern = r".*_(?P<student_id>\w+)_attempt_(?P<timestamp>[0-9\-]+)_(?P<file_id>\w+)"
    command = [sys.executable, "-m", "nbgrader", "zip_collect", SLUG, f"--CourseDirectory.root={tmp_path}"]
    command += [f"--FileNameCollectorPlugin.named_regexp={pattern}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [handed_in] = Course(tmp_path).handed_in()
    assert (handed_in.student, handed_in.slug) == ("ada", SLUG)
    found = find_submission_file(handed_in.folder, SLUG)
    assert isinstance(found, Path) and found.read_bytes() == NOTEBOOK
    when = timestamp_of(handed_in.folder)
    assert when is not None and when.replace(minute=0) == datetime(2026, 11, 20, 22)  # its minutes nbgrader loses


# -- again, newer, forced -------------------------------------------------------------------------------


def test_collecting_again_changes_nothing_and_newer_replaces(tmp_path):
    into, name = tmp_path / "submitted", "Ada Lovelace_101_assignsubmission_file/noise.ipynb"
    first = download(tmp_path, {name: b"first"})
    assert taken(collect(first, SLUG, into)) == {"ada_lovelace": "new"}
    before = (into / "ada_lovelace/noise/noise.ipynb").stat().st_mtime_ns
    assert taken(collect(first, SLUG, into)) == {"ada_lovelace": "unchanged"}
    assert (into / "ada_lovelace/noise/noise.ipynb").stat().st_mtime_ns == before
    later = download(tmp_path, {name.replace(".ipynb", ".py"): b"later"}, "later.zip", 2027)
    assert taken(collect(later, SLUG, into, dry_run=True)) == {"ada_lovelace": "newer"}
    assert written(into) == {"ada_lovelace/noise/noise.ipynb": b"first"}
    assert taken(collect(later, SLUG, into)) == {"ada_lovelace": "newer"}
    assert written(into) == {"ada_lovelace/noise/noise.py": b"later"}
    [kept] = collect(first, SLUG, into).works
    assert kept.status == "kept" and "--force replaces it" in kept.notes[-1]
    assert taken(collect(first, SLUG, into, force=True)) == {"ada_lovelace": "forced"}
    assert written(into) == {"ada_lovelace/noise/noise.ipynb": b"first"}


def test_the_platforms_time_decides_where_it_is_known(tmp_path):
    into = tmp_path / "submitted"
    names = [f"Noise_ada_attempt_2026-11-2{day}-08-00-00_noise.ipynb" for day in (1, 2)]
    old = download(tmp_path, {names[0]: b"old"}, "old.zip", 2030)
    new = download(tmp_path, {names[1]: b"new"}, "new.zip", 2020)
    assert taken(collect(old, SLUG, into)) == {"ada": "new"}
    assert taken(collect(new, SLUG, into)) == {"ada": "newer"}
    assert taken(collect(old, SLUG, into)) == {"ada": "kept"}
    assert written(into)["ada/noise/timestamp.txt"] == b"2026-11-22 08:00:00 UTC"


def test_a_folder_of_zips_is_read_as_one_download(tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    name = "Ada Lovelace_101_assignsubmission_file/noise.ipynb"
    download(folder, {name: b"monday"}, "1.zip", 2026)
    download(folder, {name: b"tuesday"}, "2.zip", 2027)
    [work] = collect(folder, SLUG, tmp_path / "to").works
    assert written(tmp_path / "to") == {"ada_lovelace/noise/noise.ipynb": b"tuesday"}
    assert work.notes[-1] == "1 older passed over: noise.ipynb"


def test_two_of_the_same_name_get_the_platforms_number(tmp_path):
    files = {f"Jan Novák_{number}_assignsubmission_file/noise.ipynb": str(number).encode() for number in (1, 2)}
    into = tmp_path / "to"
    collect(download(tmp_path, files), SLUG, into)
    assert written(into) == {"jan_novak_1/noise/noise.ipynb": b"1", "jan_novak_2/noise/noise.ipynb": b"2"}


# -- hostile downloads ----------------------------------------------------------------------------------


def test_a_hostile_zip_escapes_nowhere_and_the_others_are_taken(tmp_path):
    good = "Ada Lovelace_101_assignsubmission_file/noise.ipynb"
    held = io.BytesIO(zipped({good: NOTEBOOK, "../../evil_1_assignsubmission_file/noise.ipynb": b"x"}))
    with zipfile.ZipFile(held, "a", zipfile.ZIP_DEFLATED) as archive:
        link = zipfile.ZipInfo("Eve Link_102_assignsubmission_file/noise.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("/etc/abs_103_assignsubmission_file/noise.ipynb", b"x")
        archive.writestr("C:/drive_104_assignsubmission_file/noise.ipynb", b"x")
        archive.writestr("Eve Bomb_105_assignsubmission_file/noise.ipynb", bytes(30 << 20))
        archive.writestr("\x1b[31mEve_106_assignsubmission_file/noise.ipynb", NOTEBOOK)
    path = tmp_path / "a" / "b" / "download.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(held.getvalue())
    into = tmp_path / "a" / "b" / "submitted"
    found = collect(path, SLUG, into)
    assert "ada_lovelace/noise/noise.ipynb" in written(into)
    assert set(written(tmp_path)) == {"a/b/download.zip", *(f"a/b/submitted/{name}" for name in written(into))}
    reasons = dict(found.others)
    assert reasons["../../evil_1_assignsubmission_file/noise.ipynb"] == "its path leads outside the zip"
    assert sorted(reasons.values()).count("its path leads outside the zip") == 3
    assert "a link or a device, which no student hands in" in reasons.values()
    by_person = {work.person: work for work in found.works}
    assert (
        "as only a bomb does" in by_person["Eve Bomb (105)"].notes[-1]
        and by_person["Eve Bomb (105)"].status == "refused"
    )
    assert all("\x1b" not in json.dumps(work.__dict__, ensure_ascii=False) for work in found.works)
    assert {path.name for path in into.iterdir()} == {"ada_lovelace", "31meve"}


def test_links_in_a_folder_are_told_and_never_followed(tmp_path):
    folder = unpacked(tmp_path, {"Ada_1_assignsubmission_file/noise.ipynb": NOTEBOOK})
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (folder / "Eve_2_assignsubmission_file").mkdir()
    (folder / "Eve_2_assignsubmission_file" / "noise.ipynb").symlink_to(secret)
    found = collect(folder, SLUG, tmp_path / "to")
    assert taken(found) == {"ada": "new"}
    assert found.others == [
        ("Eve_2_assignsubmission_file/noise.ipynb", "a link or a device, which no student hands in")
    ]


def test_a_link_that_lies_in_submitted_is_not_written_through(tmp_path):
    into, elsewhere = tmp_path / "submitted", tmp_path / "elsewhere"
    into.mkdir()
    elsewhere.mkdir()
    (into / "ada").symlink_to(elsewhere)
    (into / "Ben").mkdir()
    files = {f"{name}_{n}_assignsubmission_file/noise.ipynb": NOTEBOOK for n, name in enumerate(("Ada", "Ben"))}
    found = collect(download(tmp_path, files), SLUG, into)
    assert taken(found) == {"ada": "refused", "ben": "refused"} and not list(elsewhere.iterdir())
    assert "is a link" in found.works[0].notes[-1] and "differ in case only" in found.works[1].notes[-1]


def test_what_is_no_download_is_refused_in_words(tmp_path, monkeypatch):
    (tmp_path / "broken.zip").write_bytes(zipped(MOODLE)[:80])
    (tmp_path / "nothing").mkdir()
    for name, said in (
        ("broken.zip", "no zip that could be read"),
        ("missing", "neither a folder"),
        ("nothing", "holds nothing"),
    ):
        with pytest.raises(CourseError, match=said):
            collect(tmp_path / name, SLUG, tmp_path / "to")
    monkeypatch.setattr(downloads, "MOST_FILES", 3)
    with ExitStack() as held, pytest.raises(CourseError, match="more than 3 files"):
        open_download(download(tmp_path, MOODLE), held)


# -- the command ----------------------------------------------------------------------------------------

SHEET = (
    "title: A class\nseed: 1\nexercises: [noise]\nnetworks: {target: efficientnet_lite0, jury: [efficientnet_lite1]}\n"
)


def test_the_command_prints_a_table_and_json(tmp_path):
    (tmp_path / "course.yaml").write_text(SHEET)
    path = download(tmp_path, MOODLE)
    arguments = ["collect", str(tmp_path), str(path), "--exercise", "noise"]
    said = CliRunner().invoke(app, [*arguments, "--dry-run"], env={"COLUMNS": "150"})
    assert said.exit_code == 1 and not (tmp_path / "submitted").exists()  # Ben's essay is no notebook
    assert "ada_lovelace" in said.output and "Nothing was written." in said.output
    said = CliRunner().invoke(app, [*arguments, "--json"])
    found = json.loads(said.stdout)
    assert [work["status"] for work in found["works"]] == ["new", "refused", "new"]
    assert (tmp_path / "submitted" / "ada_lovelace" / "noise" / "noise.ipynb").read_bytes() == NOTEBOOK
    said = CliRunner().invoke(app, [*arguments[:-1], "style"])
    assert isinstance(said.exception, CourseError) and "has no exercise 'style'" in str(said.exception)
