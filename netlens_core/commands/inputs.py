"""`netlens inputs`: a student's own pictures, made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netlens_core.commands.shared import AsJson, Language, print_json, said
from netlens_core.languages import ENGLISH, speaking, translate
from netlens_core.progress import activity


def inputs(
    exercise: Annotated[str, typer.Argument(metavar="EXERCISE", help="The exercise, such as adversarial.")],
    student: Annotated[str, typer.Option("--student", help="Your student ID, exactly as you hand in under it.")],
    folder: Annotated[Path, typer.Option("--folder", help="Where the notebook lies.")] = Path(),
    course_seed: Annotated[
        int | None, typer.Option("--course-seed", min=0, help="The course's seed, where no inputs.json lies there.")
    ] = None,
    course: Annotated[Path | None, typer.Option("--course", help="A course of your own, for staff.")] = None,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    """Make your own pictures for an exercise: everybody has a flower of their own, which grading knows by your ID.

    They are written over the practice pictures beside the notebook. The folder holds `inputs.json`, which was handed
    out with it; without that, give the course's seed.

    Example: netlens inputs adversarial --student ada
    """
    from netlens_core.grading.self_check import written_in
    from netlens_core.own_inputs import make_inputs

    with speaking(language or written_in(folder / f"{exercise}.ipynb") or ENGLISH.language):
        with activity(exercise):
            if course_seed is None and course is None:
                written = make_inputs(exercise, student, folder)
            else:
                written = _of_a_course(exercise, student, folder, course_seed, course)
        if as_json:
            print_json({"exercise": exercise, "student": student, "files": [str(path) for path in written]})
        elif not written:
            told = translate("{exercise} has no pictures of your own: everybody has the same.", exercise=exercise)
            typer.echo(told, err=True)
        for path in written if not as_json else []:
            said(path)


def _of_a_course(slug: str, student: str, folder: Path, seed: int | None, course: Path | None) -> list[Path]:
    from netlens_core.grading.public_course import PublicCourse
    from netlens_core.grading.sheets import own_specs
    from netlens_core.own_inputs import own_images, save_images

    opened = PublicCourse(course) if course else PublicCourse.shipped()
    own = own_specs(opened.exercise_sheet(slug))
    return save_images(own_images(slug, student, opened.sheet.seed if seed is None else seed, own), folder)
