"""Whose work is whose: names with several readings, namesakes, other platforms' layouts, patterns and code pages.

Nobody's work is taken for an attempt of somebody else's, nobody gets two folders, and what is not taken is told.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from netlens_core.cli import app
from netlens_core.grading import own_pattern
from netlens_core.grading.collecting import collect
from netlens_core.grading.downloads import Entry, named_in
from netlens_core.grading.identities import split_names
from netlens_core.grading.platforms import Person, who_handed_in
from netlens_core.grading.roster import made_id, read_roster
from netlens_core.grading.sheets import CourseError
from netlens_core.grading.zip_names import CODE_PAGES, entry_name

SLUG = "fern"
ATTEMPT = "attempt_2026-11-2{}-22-15-00"


def zip_of(path: Path, names, encoding: str | None = None, unicode_path: bool = False) -> Path:
    """A zip whose files hold their own names; `encoding` writes these as old zips do, without telling."""
    held = io.BytesIO()
    coded = {}
    with zipfile.ZipFile(held, "w") as archive:
        for at, name in enumerate(names):
            info = zipfile.ZipInfo(name, (2026, 11, 20, 22, at % 60, 0))
            if encoding and not name.isascii():
                raw = name.encode(encoding)
                info.filename = f"{at:04}".ljust(len(raw), "#")
                coded[info.filename.encode()] = raw
                if unicode_path:
                    text = name.encode()
                    field = struct.pack("<BL", 1, zlib.crc32(raw)) + text
                    info.extra = struct.pack("<HH", 0x7075, len(field)) + field
            archive.writestr(info, name.encode())
    data = held.getvalue()
    for placeholder, raw in coded.items():
        assert data.count(placeholder) == 2
        data = data.replace(placeholder, raw)
    path.write_bytes(data)
    return path


def table(tmp_path: Path, text: str):
    path = tmp_path / "students.csv"
    path.write_text(text)
    return read_roster(path)


def outcome(tmp_path: Path, names, roster: str = "", into: str = "to", **more):
    """Collect files of these names; ID -> the file that was taken, and who was refused -> why."""
    encoding = more.pop("encoding", None)
    place = zip_of(tmp_path / "download.zip", names, encoding, more.pop("unicode_path", False))
    found = collect(place, SLUG, tmp_path / into, table(tmp_path, roster) if roster else None, **more)
    taken = {path.parts[-3]: path.read_text() for path in sorted((tmp_path / into).rglob(f"{SLUG}.*"))}
    refused = {work.person: work.notes[-1] for work in found.works if work.status == "refused"}
    return taken, refused, found


# -- IDs with underscores -------------------------------------------------------------------------------


def blackboard(*heads: str, day: int = 0) -> list[str]:
    return [f"{head}_{ATTEMPT.format(day)}_{SLUG}.ipynb" for head in heads]


def test_all_names_of_a_download_tell_where_ids_with_underscores_begin(tmp_path):
    names = blackboard("Draw a fern_kay_a", "Draw a fern_mill_a", "Draw a fern_zed")
    taken, refused, found = outcome(tmp_path, names)
    assert taken == {"kay_a": names[0], "mill_a": names[1], "zed": names[2]} and not refused and found.complete


def test_the_table_decides_where_the_names_do_not(tmp_path):
    """All of them may be of the exercise `Fern_st`."""
    names = blackboard("Week_st_1", "Week_st_2")
    taken, refused, found = outcome(tmp_path, names)
    assert not taken and not found.complete
    assert all("several ways (st_" in why and "--students" in why for why in refused.values()) and len(refused) == 2
    taken, refused, _ = outcome(tmp_path, names, "name,id\nA,st_1\nB,st_2\n")
    assert taken == {"st_1": names[0], "st_2": names[1]} and not refused


def test_the_exercises_own_name_tells_it_too(tmp_path):
    names = blackboard("Fern_st_1", "Fern_st_2")
    assert set(outcome(tmp_path, names)[0]) == {"st_1", "st_2"}
    names = blackboard("Draw_it!_st_1")
    assert set(outcome(tmp_path, names, into="b", titles=["Draw it"])[0]) == {"st_1"}


def test_table_and_names_that_contradict_each_other_give_nobody_a_strangers_work(tmp_path):
    """`a` is another student; `kay_a` is not in the table."""
    names = blackboard("Week_kay_a", "Week_zed")
    taken, refused, _ = outcome(tmp_path, names, "name,id\nA,a\nZed,zed\n")
    assert taken == {"zed": names[1]} and list(refused) == ["Week_kay_a"]


def test_two_people_never_share_an_id_as_two_attempts(tmp_path):
    names = ["Kay A_1_assignsubmission_file/fern.ipynb", "Kay A_2_assignsubmission_file/fern.ipynb"]
    taken, refused, found = outcome(tmp_path, names, "name,id\nKay A,ka1\n")
    assert not taken and not found.complete
    assert (
        "would get the ID ka1, and so would Kay A (2)" in refused["Kay A (1)"] and "--students" in refused["Kay A (2)"]
    )


def test_attempts_of_one_student_are_ordered_by_time_and_told(tmp_path):
    names = [blackboard("W_kay_a", day=day)[0] for day in (3, 5, 4)] + blackboard("W_z")
    taken, _, found = outcome(tmp_path, names)
    assert taken["kay_a"] == names[1]
    [work] = [work for work in found.works if work.student == "kay_a"]
    assert work.when == "2026-11-25 22:15:00" and work.file == names[1]
    assert "2 older passed over: fern.ipynb of 2026-11-23 22:15:00, fern.ipynb of 2026-11-24" in work.notes[-1]


# -- namesakes ------------------------------------------------------------------------------------------


def moodle(name: str, number: int) -> str:
    return f"{name}_{number}_assignsubmission_file/fern.ipynb"


def test_names_that_the_table_has_twice_are_told_with_both_ids(tmp_path):
    taken, refused, _ = outcome(tmp_path, [moodle("Kay A", 1)], "name,id\nKay A,ka1\nKay A,ka2\n")
    assert not taken and "several of that name (ka1, ka2)" in refused["Kay A (1)"]
    sheet = "Identifier,Full name,ID number\nParticipant 1,Kay A,ka1\nParticipant 2,Kay A,ka2\n"
    names = [moodle("Kay A", 1), moodle("Kay A", 2)]
    assert outcome(tmp_path, names, sheet)[0] == {"ka1": names[0], "ka2": names[1]}


def test_a_made_id_is_never_that_of_somebody_in_the_table(tmp_path):
    taken, refused, _ = outcome(tmp_path, [moodle("Kay", 1)], "name,id\nKatherine Mill,kay\n")
    assert not taken and "kay is somebody else's ID in the table" in refused["Kay (1)"]


def test_namesakes_of_another_exercise_are_not_numbered_anew(tmp_path):
    """Moodle numbers people anew in each exercise: with new numbers they would be four people, with other pictures."""
    names = [moodle("Kay A", 1), moodle("Kay A", 2)]
    taken, _, found = outcome(tmp_path, names)
    assert set(taken) == {"kay_a_1", "kay_a_2"}
    assert all("several are called so" in work.notes[-1] and "--students" in work.notes[-1] for work in found.works)
    assert set(outcome(tmp_path, [*names, moodle("Kay A", 3)])[0]) == {"kay_a_1", "kay_a_2", "kay_a_3"}
    zip_of(tmp_path / "other.zip", [moodle("Kay A", 7), moodle("Kay A", 8), moodle("Zed", 9)])
    found = collect(tmp_path / "other.zip", "leaf", tmp_path / "to")
    assert {work.student: work.status for work in found.works if work.student} == {"zed": "new"} and not found.complete
    assert all("kay_a_1, kay_a_2" in work.notes[-1] for work in found.works if not work.student)


def test_a_second_namesake_does_not_take_the_firsts_place(tmp_path):
    assert set(outcome(tmp_path, [moodle("Kay A", 1)])[0]) == {"kay_a"}
    taken, refused, _ = outcome(tmp_path, [moodle("Kay A", 1), moodle("Kay A", 2)])
    assert taken == {"kay_a": moodle("Kay A", 1)} and len(refused) == 2


@pytest.mark.parametrize(
    "roster", ["name,id\nKay A,ka1\n", "Full name,Identifier,ID number\nKay A,Participant 1,ka1\n"]
)
def test_who_was_collected_by_name_gets_no_second_folder_by_a_table(tmp_path, roster):
    outcome(tmp_path, [moodle("Kay A", 1)])
    taken, refused, _ = outcome(tmp_path, [moodle("Kay A", 1)], roster)
    assert set(taken) == {"kay_a"} and "would become ka1, but kay_a lies there" in refused["Kay A (1)"]
    (tmp_path / "to" / "kay_a").rename(tmp_path / "to" / "ka1")
    assert set(outcome(tmp_path, [moodle("Kay A", 1)], roster)[0]) == {"ka1"}


def test_gradescopes_namesakes_are_told_apart_by_their_addresses(tmp_path):
    people = "".join(
        f"submission_{n}:\n  :submitters:\n  - :name: Kay A\n    :email: {mail}\n"
        for n, mail in ((1, "k@x"), (2, "a@x"))
    )
    with zipfile.ZipFile(tmp_path / "download.zip", "w") as archive:
        archive.writestr("export/submission_metadata.yml", people)
        for n in (1, 2):
            archive.writestr(f"export/submission_{n}/fern.ipynb", str(n))
    roster = table(tmp_path, "Name,SID,Email\nKay A,ka1,K@X\nKay A,ka2,a@x\n")
    collect(tmp_path / "download.zip", SLUG, tmp_path / "to", roster)
    assert [(tmp_path / "to" / who / SLUG / "fern.ipynb").read_text() for who in ("ka1", "ka2")] == ["1", "2"]
    found = collect(tmp_path / "download.zip", SLUG, tmp_path / "without")
    assert [work.status for work in found.works] == ["refused", "refused"]


# -- Brightspace and ILIAS ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "person", "file", "when"),
    [
        ("11-22 - Ada Lovelace - Nov 20, 2026 1015 PM/fern.ipynb", "Ada Lovelace", "fern.ipynb", "2026-11-20 22:15"),
        ("11-22 - Mary-Ann O'Neil - Sep 4, 2026 926 AM/a.py", "Mary-Ann O'Neil", "a.py", "2026-09-04 09:26"),
        ("11-22 - Ada - 20 November, 2026 2215/fern.ipynb", "Ada", "fern.ipynb", "2026-11-20 22:15"),
        ("11-22 - Ada - Nov 20, 2026 1015 PM - my - fern.ipynb", "Ada", "my - fern.ipynb", "2026-11-20 22:15"),
        ("HW 1/11-22 - Ada - 20 Kasım 2026 22.15/x/fern.ipynb", "Ada", "fern.ipynb", ""),
    ],
)  # fmt: skip
def test_brightspace_names_hold_name_and_time(path, person, file, when):
    [handed], others = who_handed_in([Entry(PurePosixPath(path), 0.0, bytes)], SLUG)
    assert (handed.platform, handed.person.name, handed.person.number, handed.file) == (
        "Brightspace",
        person,
        "11-22",
        file,
    )
    assert (f"{handed.when:%Y-%m-%d %H:%M}" if handed.when else "") == when and not others


def test_a_brightspace_download_with_its_class_list(tmp_path):
    names = [
        "index.html",
        "11-99 - Ada Lovelace - Nov 20, 2026 1015 PM/fern.ipynb",
        "11-99 - Ada Lovelace - Nov 21, 2026 915 AM/fern.ipynb",
        "12-99 - N007 - Zed Hill - Nov 21, 2026 915 AM/fern.zip",
    ]
    roster = "OrgDefinedId,Username,Last Name,First Name,Email\n#N006,#ada,Lovelace,Ada,a@x\n#N007,#zed,Hill,Zed,z@x\n"
    taken, refused, found = outcome(tmp_path, names, roster)
    assert taken == {"N006": names[2], "N007": names[3]} and not refused and found.complete
    assert set(outcome(tmp_path, names, into="without")[0]) == {"ada_lovelace", "N007"}


def test_an_ilias_download_in_folders_and_teams(tmp_path):
    names = [
        "Fern/Abgaben/Lovelace_Ada_alove_4711/fern.ipynb",
        "Fern/Abgaben/van der Berg_Jan_jberg_4712/Verspaetete Abgabe - fern.ipynb",
        "Fern/Abgaben/Team 3/Hill_Zed_z.hill_4713/fern.py",
        "Fern/Abgaben/Mill_Eva_eva_m_4714/fern.ipynb",
        "status.xlsx",
    ]
    roster = "Name,Login\nA,alove\nB,jberg\nC,z.hill\nD,eva_m\n"
    taken, refused, found = outcome(tmp_path, names, roster)
    assert taken == {"alove": names[0], "jberg": names[1], "z.hill": names[2], "eva_m": names[3]}
    assert not refused and found.complete
    assert [work.late for work in found.works if work.student == "jberg"] == [True]
    taken, refused, _ = outcome(tmp_path, names, into="without")
    assert set(taken) == {"alove", "jberg", "z.hill"} and "(eva_m, m)" in refused["Mill_Eva_eva_m (4714)"]


def test_folders_of_another_kind_are_not_taken_for_ilias(tmp_path):
    """One student called `submissions`, with forty attempts."""
    names = [f"cs_fern_submissions_2026/{who}.ipynb" for who in ("ada", "zed")]
    with pytest.raises(CourseError, match=r"Brightspace, ILIAS.*--pattern"):
        outcome(tmp_path, names)
    top = ["Lovelace_Ada_alove_4711/fern.ipynb", "Hill_Zed_zed_4713/fern.ipynb"]
    assert set(outcome(tmp_path, top)[0]) == {"alove", "zed"}


def test_the_same_canvas_name_in_many_folders_is_nobodys(tmp_path):
    names = [f"{who}/week_3_2026_fern.ipynb" for who in ("ada", "zed")]
    with pytest.raises(CourseError, match="--pattern"):
        outcome(tmp_path, names)


# -- nothing is passed over in silence --------------------------------------------------------------------


def course(tmp_path: Path) -> Path:
    (tmp_path / "course.yaml").write_text(
        "title: A class\nseed: 1\nexercises: [noise]\n"
        "networks: {target: efficientnet_lite0, jury: [efficientnet_lite1]}\n"
    )
    return tmp_path


def command(tmp_path: Path, names, *arguments: str):
    place = zip_of(tmp_path / "download.zip", names)
    shown = ["collect", str(course(tmp_path)), str(place), "--exercise", "noise", *arguments]
    return CliRunner().invoke(app, shown, env={"COLUMNS": "200"})


def test_a_file_that_nobody_owns_ends_with_status_one_and_is_named(tmp_path):
    names = ["lovelaceada_1_2_noise.ipynb", "smith-jones ann_9_7_noise.ipynb"]
    done = command(tmp_path, names)
    assert done.exit_code == 1 and "1 files were not taken" in done.output
    assert names[1] in done.output and "--pattern" in done.output
    assert command(tmp_path, names[:1]).exit_code == 0
    beside = ["index.html", "Thumbs.db", "__MACOSX/._x", "x/.DS_Store", "folder\\"]
    assert command(tmp_path, [*names[:1], *beside]).exit_code == 0
    found = json.loads(command(tmp_path, names, "--json").stdout)
    assert [other["file"] for other in found["others"]] == names[1:]


def test_who_is_not_in_the_table_is_named_and_ends_with_status_one(tmp_path):
    """Made from the name, an ID may be another one than at the release: then the pictures are others, too."""
    names = ["lovelaceada_1_2_noise.ipynb", "smithjonesann_9_7_noise.ipynb", "hillzed_5_8_noise.ipynb"]
    sheet = tmp_path / "r.csv"
    sheet.write_text("name,id\nAda Lovelace,al\nAnn Smith,as\nZed Hill,\n")
    done = command(tmp_path, names, "--students", str(sheet))
    assert done.exit_code == 1 and "2 are not in the table" in done.output and "smithjonesann (9)" in done.output
    found = json.loads(command(tmp_path, names, "--students", str(sheet), "--json").stdout)["works"]
    assert {work["student"]: work["known"] for work in found} == {"al": True, "smithjonesann": False, "hillzed": False}
    assert "the table has no ID for them" in found[1]["notes"][0]
    assert command(tmp_path, names[:1], "--students", str(sheet)).exit_code == 0


def test_windows_paths_and_a_zip_within_the_zip_are_read(tmp_path):
    inner = zip_of(tmp_path / "inner.zip", ["Ada_1_assignsubmission_file\\fern.ipynb"]).read_bytes()
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("Course-Fern-4711.zip", inner)
        archive.writestr("Zed_2_assignsubmission_file/fern.ipynb", "zed")
    found = collect(tmp_path / "outer.zip", SLUG, tmp_path / "to")
    assert {work.student: work.status for work in found.works} == {"ada": "new", "zed": "new"} and found.complete


def test_zips_within_that_are_broken_bombs_or_nobodys_are_told(tmp_path):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Zed_2_assignsubmission_file/fern.ipynb", "zed")
        archive.writestr("broken.zip", b"PK\x03\x04")
        archive.writestr("bomb.zip", bytes(30 << 20))
        archive.writestr("mine.zip", zip_of(tmp_path / "i.zip", ["project/fern/fern.ipynb"]).read_bytes())
    (tmp_path / "d.zip").write_bytes(held.getvalue())
    found = collect(tmp_path / "d.zip", SLUG, tmp_path / "to")
    assert [work.student for work in found.works] == ["zed"] and not found.complete
    reasons = dict(found.others)
    assert "no zip" in reasons["broken.zip"] and "bomb" in reasons["bomb.zip"] and "--pattern" in reasons["mine.zip"]


# -- a pattern of one's own -------------------------------------------------------------------------------

PATTERN = r"(?:.*/)?(?P<student>[a-z.]+)-(?P<file>[^/]+)"


def test_files_are_taken_by_a_pattern_and_others_told(tmp_path):
    names = ["mails/ada.l-fern.ipynb", "zed-fern.py", "Readme.ipynb"]
    taken, _, found = outcome(tmp_path, names, pattern=PATTERN)
    assert taken == {"ada.l": names[0], "zed": names[1]} and not found.complete
    assert found.others == [("Readme.ipynb", "its name does not fit --pattern")]
    roster = "name,id,email\nAda L,007,ada.l@x\nZed,008,zed@x\n"
    assert set(outcome(tmp_path, ["Ada L-fern.ipynb"], roster, "b", pattern=r"(?P<student>.+)-(?P<file>.+)")[0]) == {
        "007"
    }
    names = ["zed@x/fern.ipynb"]
    assert set(outcome(tmp_path, names, roster, "b", pattern=r"(?P<student>.+)/(?P<file>.+)")[0]) == {"007", "008"}


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(?P<student>", "no regular expression"),
        ("(?P<student>.*)", r"lacks the group \(\?P<file>"),
        ("(.*)/(.*)", "student.* and .*file"),
        ("x" * 1001, "1001 characters"),
        (r"(?P<student>\d+)/(?P<file>.+)", "no file fits --pattern.*ada-fern"),
    ],
)
def test_patterns_that_cannot_work_are_told(tmp_path, pattern, words):
    with pytest.raises(CourseError, match=words):
        outcome(tmp_path, ["ada-fern.ipynb"], pattern=pattern)


def test_a_catastrophic_pattern_ends_and_names_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(own_pattern, "SECONDS", 1.0)
    names = ["ada/fern.ipynb", "a" * 40 + "!", "zed/fern.ipynb"]
    with pytest.raises(CourseError, match=r"takes more than 1 s at 'aaaa.*avoid repeats within repeats"):
        outcome(tmp_path, names, pattern=r"(?P<student>(a+)+|[^/]+)/(?P<file>.+)")


# -- names in old code pages ------------------------------------------------------------------------------

ZOFIE = "Žofie Černá_1_assignsubmission_file/fern.ipynb"


@pytest.mark.parametrize("more", [{"encoding": "utf-8"}, {"encoding": "cp852", "unicode_path": True}, {}])
def test_names_that_are_told_or_utf8_are_read_as_they_are(tmp_path, more):
    assert set(outcome(tmp_path, [ZOFIE], **more)[0]) == {"zofie_cerna"}


@pytest.mark.parametrize("page", ["cp852", "cp1250"])
def test_old_code_pages_are_told_and_nobody_gets_a_garbled_id(tmp_path, page):
    taken, refused, found = outcome(tmp_path, [ZOFIE, moodle("Ada", 2)], encoding=page)
    assert set(taken) == {"ada"} and "code page" in next(iter(refused.values())) and not found.complete
    assert "--code-page" in found.notes[0] and f"{ZOFIE!r} ({page})" in found.notes[0]
    assert set(outcome(tmp_path, [ZOFIE], encoding=page, code_page=page)[0]) == {"ada", "zofie_cerna"}


@pytest.mark.parametrize(
    ("page", "name"),
    [("cp852", "Žofie Nováková"), ("cp1250", "Žofie Černá"), ("cp932", "表 太郎"), ("cp866", "Яна")],
)
def test_the_table_tells_the_code_page(tmp_path, page, name):
    names = [f"{name}_1_assignsubmission_file/fern.ipynb", "Ada_2_assignsubmission_file/fern.ipynb"]
    taken, refused, found = outcome(tmp_path, names, f"name,id\n{name},s1\nAda,s2\n", encoding=page)
    assert taken == {"s1": names[0], "s2": names[1]} and not refused and page in found.notes[0]


def test_who_is_known_by_a_number_is_taken_whatever_the_names_code_page_is(tmp_path):
    sheet = "Identifier,Full name,ID number\nParticipant 1,Somebody Else,s1\n"
    assert set(outcome(tmp_path, [ZOFIE], sheet, encoding="cp852")[0]) == {"s1"}


@pytest.mark.parametrize(("page", "words"), [("cp999", "no code page is called so"), ("ascii", "takes another one")])
def test_a_code_page_that_cannot_be_is_told(tmp_path, page, words):
    with pytest.raises(CourseError, match=words):
        outcome(tmp_path, [ZOFIE], encoding="cp852", code_page=page)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(min_size=1, max_size=40), st.binary(max_size=40), st.sampled_from([0, 0x800]))
def test_no_name_or_extra_field_of_a_zip_crashes_the_reading(name, extra, flag):
    info = zipfile.ZipInfo(name.decode("cp437"))
    info.flag_bits, info.extra = flag, extra
    text, raw = entry_name(info)
    assert isinstance(text, str) and (not raw or raw == name)
    entry = Entry(PurePosixPath(text), 0.0, bytes, raw=raw)
    for page in CODE_PAGES:
        found = named_in(entry, page) if raw else None
        assert found is None or (".." not in found.path.parts and not found.path.is_absolute())


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.text(alphabet="ab_- .,0123456789", max_size=30), min_size=1, max_size=4))
def test_every_file_is_somebodys_or_told(parts):
    """Names of the shapes that platforms use, at random: none is lost between those taken and those told."""
    shapes = (
        "{}_attempt_2026-11-20-22-15-00_x.py",
        "{}_7_assignsubmission_file_x.py",
        "1-2 - {} - Nov 3, 2026 915 AM - x.py",
    )
    entries = [Entry(PurePosixPath(shapes[at % 3].format(part)), 0.0, bytes) for at, part in enumerate(parts)]
    handed, others = who_handed_in(entries, SLUG)
    assert sorted(map(id, [*(one.entry for one in handed), *others])) == sorted(map(id, entries))
    for one in split_names(handed, None, [SLUG]):
        assert one.person.readings or made_id(one.person) is not None


# -- tables of students -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "student"),
    [
        ("name,id\nAda L,'=1\n", "=1"),
        ("name,id\r\nAda L,007\r\n", "007"),
        ("name,id,,\nAda L,007,,\n", "007"),
        ('sep=;\n"name";"id"\nAda L; 007 \n', "007"),
        ("name\tid\nAda L\t007\n", "007"),
        ("name,id\nAda L,007\nAda L,007\n", "007"),
        ("Name,Email,Section\nAda L,Ada@X.cz,Mon\n", "Ada"),
        ("Vollständiger Name,ID-Nummer,E-Mail-Adresse\nAda L,007,a@x\n", "007"),
        ("Prénom,Nom,Numéro d’identification\nAda,L,007\n", "007"),
        ("Imię,Nazwisko,Nr albumu\nAda,L,007\n", "007"),
    ],
)
def test_tables_as_people_have_them(tmp_path, text, student):
    path = tmp_path / "t.csv"
    path.write_text(text, newline="")
    assert read_roster(path).student(Person("Ada L")) == student


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,id\nAda,1.23E+05\n", r"row 2: '1\.23E\+05' is a number that a spreadsheet shortened"),
        ('name,id\nAda,"1,5e+12"\n', "shortened"),
        ("name,id\nAda,007\nZed,007\n", "rows 2 and 3: 007 is the ID of Ada and of Zed"),
        ("name,email\nAda,a@x\nAmy,a@y\n", "rows 2 and 3: a is the ID of Ada and of Amy"),
        ("nane,code\nAda,7\n", "no column 'id' .it has nane, code.*--column"),
    ],
)
def test_tables_that_mislead_are_refused_with_row_and_remedy(tmp_path, text, words):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(CourseError, match=words):
        read_roster(path)
