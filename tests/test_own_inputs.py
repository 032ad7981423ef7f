"""Every student has a flower of their own: the same from a release, from `netlens inputs` and from the kit, and secrets
stay in the course folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from netlens_core.grading import course as course_module
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError
from netlens_core.grading.inputs import all_inputs, released_files
from netlens_core.grading.release import release
from netlens_core.grading.students import read_students
from netlens_core.images import load_image
from netlens_core.own_inputs import InputsError, derived_seed, make_inputs, student_id, student_seed

SECRET = "a secret of 4711 parts"
COURSE = """
title: Flowers
seed: 7
networks: {target: efficientnet_lite0, jury: [efficientnet_lite1]}
exercises: [flowers, plain]
"""
INPUTS = """
  flower: {draw: daisy, whose: student, file: flower.png, size: 64}
  picture: {draw: painting, whose: student, manner: waves, file: picture.png, size: 48}
  everybodys: {draw: daisy, whose: course, file: everybodys.png, size: 64}
  hidden: {draw: daisy, whose: hidden, color: yellow, size: 64}
  hidden_category: {draw: category, whose: hidden, among: [bee, banana, goldfish]}
"""
SHEET = "title: Flowers\nfunctions: {f: {arguments: {image: image}, returns: image}}\ninputs:"
GRADER = '''
from netlens_core.grading.marking import check

@check(points=1)
def test_it(submission):
    """It."""
'''
CHECK = '{"grade": true, "grade_id": "test_it", "locked": true, "points": 1, "schema_version": 3, "solution": false}'
TEMPLATE = f"# %% [markdown]\n# # Flowers\n\n# %% nbgrader={CHECK}\nprint('flower.png')\n"


@pytest.fixture
def course(tmp_path, monkeypatch) -> Course:
    monkeypatch.setattr(course_module, "fingerprint", lambda name, cache: f"weights of {name}")
    folder = tmp_path / "course"
    texts = {"course.yaml": COURSE, ".netlens/secret": SECRET, "graders/conftest.py": ""}
    for slug, inputs in (("flowers", INPUTS), ("plain", "\n  hidden: {draw: daisy, whose: hidden, size: 64}\n")):
        texts[f"assignments/{slug}/exercise.yaml"] = SHEET + inputs
        texts[f"assignments/{slug}/template.py"] = TEMPLATE
        texts[f"graders/test_{slug}.py"] = GRADER
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Course(folder)


def netlens(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netlens_core.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def test_release_shell_kit_and_grading_give_the_same_bytes(course, tmp_path):
    release(course, ["ada"])
    released = course.folder / "release" / "flowers"
    own = content(released / "students" / "ada")
    assert sorted(own) == ["flower.png", "picture.png"]

    beside = shutil.copytree(released, tmp_path / "beside")
    practice = content(beside)
    assert all(practice[name] != data for name, data in own.items())
    assert sorted(path.name for path in make_inputs("flowers", "ada", beside)) == sorted(own)
    assert content(beside) == practice | own

    shell = shutil.copytree(released, tmp_path / "shell")
    assert netlens("inputs", "flowers", "--student", "ada", "--folder", shell).returncode == 0
    assert content(shell) == practice | own

    (seed := tmp_path / "seed").mkdir()
    done = netlens("inputs", "flowers", "--student", "ada", "--course", course.folder, "--folder", seed, "--json")
    assert json.loads(done.stdout)["files"] == [str(seed / name) for name in ("flower.png", "picture.png")]
    assert content(seed) == own

    exercise = course.exercise("flowers")
    graded = released_files(exercise, all_inputs(exercise, course.seed("ada", "flowers")))
    assert {name: graded[name] for name in own} == own
    assert graded["everybodys.png"] == practice["everybodys.png"]


def test_the_course_seed_alone_is_enough_for_the_exercises_that_netlens_ships(tmp_path):
    pictures = []
    for seed in ("2026", "2027"):
        (folder := tmp_path / seed).mkdir()
        done = netlens("inputs", "adversarial", "--student", "ada", "--course-seed", seed, "--folder", folder)
        assert done.returncode == 0 and "flower.png" in done.stderr
        pictures.append((folder / "flower.png").read_bytes())
    assert pictures[0] != pictures[1]


def test_neighbours_have_other_pictures_and_a_class_no_two_alike(course):
    names = ["ada", "Ada1", "ada1", "ada2", "adb"]
    with pytest.raises(CourseError, match="case"):
        release(course, names)
    release(course, names[:1] + names[2:])
    found = [content(folder) for folder in (course.folder / "release" / "flowers" / "students").iterdir()]
    assert len({images["flower.png"] for images in found}) == len(found) == 4
    first, second = (load_image(found[n]["flower.png"]) for n in (0, 1))
    assert (first - second).abs().mean() > 0.05
    assert len({student_seed(2026, f"s{n:05d}", "adversarial") for n in range(2000)}) == 2000
    assert len({student_seed(2026, "ada", slug) for slug in ("style", "dream", "cam")}) == 3


def test_seeds_are_what_the_handbook_says():
    """docs/inputs.md shows these two numbers: whoever changes the derivation changes everybody's flower."""
    assert student_seed(2026, "ada", "adversarial") == 1664544633
    assert derived_seed(1664544633, "flower") == 1714988981


def test_however_an_accent_is_stored_the_flower_is_the_same():
    assert student_id(" Zoe\u0308 ") == "Zo\u00eb"
    assert student_seed(1, "Zoe\u0308", "noise") == student_seed(1, "Zo\u00eb", "noise")
    assert student_seed(1, "Ada", "noise") != student_seed(1, "ada", "noise")
    assert student_seed(1, "\udcff", "noise") >= 0  # a folder name that is no text


NO_IDS = ["", "  ", "a/b", "a\\b", "..", ".", ".netlens", "/etc", "a\nb", "a\x00b", "\x1b[2J", "\u202eada", "\u200b"]


@pytest.mark.parametrize("student", [*NO_IDS, "x" * 201, "ž" * 101, "\udcff"])
def test_ids_that_can_name_no_folder_are_refused_before_anything_is_written(course, student):
    with pytest.raises(InputsError) as error:
        release(course, ["ada", student])
    assert str(error.value).isprintable() and not (course.folder / "release").exists()
    (folder := course.folder / "here").mkdir()
    (folder / "inputs.json").write_text('{"exercise": "flowers", "course_seed": 7, "inputs": {}}')
    with pytest.raises(InputsError):
        make_inputs("flowers", student, folder)


def test_odd_ids_have_a_folder_of_their_own(course):
    odd = ["Žofie Nováková", "x" * 200, "=1+1", "<script>", "flower.png", "students", "a..b", "CON", "日本", "u@uni.cz"]
    release(course, odd)
    folders = {path.name for path in (course.folder / "release" / "flowers" / "students").iterdir()}
    assert folders == set(odd)
    assert {path.name for path in (course.folder / "release").iterdir()} == {"flowers", "plain", "release.json"}


def test_nothing_released_tells_a_secret(course):
    """Neither the secret, nor a hidden picture, its seed or its words, in any file or notebook of a release."""
    written = release(course, ["ada", "ben"])
    exercises = [course.exercise(slug) for slug in course.sheet.exercises]
    hidden = [
        exercise.materials[name]
        for exercise in exercises
        for name, spec in exercise.sheet.inputs.items()
        if spec.whose == "hidden"
    ]
    seeds = [derived_seed("hidden", SECRET, e.slug, name) for e in exercises for name in e.sheet.inputs]
    assert len(hidden) == 3 and len(written) >= 8
    released = [path for path in (course.folder / "release").rglob("*") if path.is_file()]
    assert sorted(released) == sorted(written)
    pictures = [load_image(data) for data in hidden if data.startswith(b"\x89PNG")]
    for path in released:
        data = path.read_bytes()
        assert SECRET.encode() not in data and not any(material in data for material in hidden), path
        assert not any(str(seed).encode() in data for seed in seeds) and b"hidden" not in data, path
        if path.suffix == ".png":
            image = load_image(path)
            assert all(image.shape != other.shape or (image - other).abs().mean() > 0.02 for other in pictures), path


def test_another_secret_gives_other_hidden_inputs_and_the_same_release(course):
    release(course, ["ada"])
    before = {path: path.read_bytes() for path in (course.folder / "release").rglob("*") if path.is_file()}
    hidden = course.exercise("flowers").materials["hidden"]
    (course.folder / ".netlens" / "secret").write_text("another")
    other = Course(course.folder)
    release(other, ["ada"])
    assert {path: path.read_bytes() for path in (course.folder / "release").rglob("*") if path.is_file()} == before
    assert other.exercise("flowers").materials["hidden"] != hidden


def test_lists_of_students(tmp_path):
    file = tmp_path / "class.csv"
    for text, column in (
        ("ada\n\n ben \nada\n", None),
        ("name,student\nAda L.,ada\nBen,ben\n,\n", None),
        ("Příjmení;Osobní číslo\nLovelace;ada\nBen;ben\n", "Osobní číslo"),
        ("\ufeffstudent\r\nada\r\nben\r\n", None),
        ('"Name"\t"ID"\n"B, A"\tada\n"C"\tben', None),
    ):
        file.write_bytes(text.encode())
        assert read_students(file, column) == ["ada", "ben"]
    file.write_bytes("student,mail\nada,x\n".encode("utf-16"))
    assert read_students(file) == ["ada"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "names no student"),
        (b"name,mail\nAda,a@b\n", "no column 'student'.*name, mail"),
        (b"ada\n../ben\n", "row 2.*cannot be a student ID"),
        (b"ada\nAda\n", "differ in case"),
        ("Žofie".encode("cp1250"), "not UTF-8"),
        (b'student\n"ada\n', "no table"),
        (b"x" * (9 << 20), "more than 8 MiB"),
    ],
)
def test_lists_that_are_no_good_are_told(tmp_path, data, said):
    (file := tmp_path / "class.csv").write_bytes(data)
    with pytest.raises((CourseError, InputsError), match=said) as error:
        read_students(file)
    assert str(error.value).isprintable()
    with pytest.raises(CourseError, match="cannot be read"):
        read_students(tmp_path / "nothing.csv")


FLOWER = '{"exercise": "flowers", "course_seed": 7, "inputs": {"f": {"draw": "daisy", "size": 64, "file": "f.png"}}}'


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (None, "is missing"),
        ("[]", "is damaged"),
        ("{", "is damaged"),
        ('{"exercise": "flowers"}', "is damaged"),
        ('{"exercise": "noise"}', "belongs to 'noise'"),
        (FLOWER.replace("daisy", "cat"), "is damaged"),
        (FLOWER.replace("f.png", "../f.png"), "is damaged"),
        (FLOWER.replace("64", "1e9"), "is damaged"),
    ],
)
def test_facts_that_are_no_good_are_told(tmp_path, facts, said):
    if facts is not None:
        (tmp_path / "inputs.json").write_text(facts)
    with pytest.raises(InputsError, match=said):
        make_inputs("flowers", "ada", tmp_path)
    assert not list(tmp_path.glob("**/*.png"))


def test_mistakes_on_the_command_line_are_one_line(tmp_path):
    for arguments, said in (
        (["inputs", "adversarial", "--student", "ada", "--folder", tmp_path], "inputs.json is missing"),
        (["inputs", "nothing", "--student", "ada", "--course-seed", "1"], "no exercise 'nothing'"),
        (["inputs", "adversarial", "--student", "../ada", "--course-seed", "1"], "cannot be a student ID"),
        (["inputs", "adversarial", "--course-seed", "1"], "--student"),
    ):
        done = netlens(*arguments)
        assert done.returncode == 2 and "Traceback" not in done.stderr and said in " ".join(done.stderr.split())
