"""What runs inside Gradescope's container: one submission in, `results/results.json` out.

    python -m netlens_core.grading.exports.autograder /autograder          grade (run_autograder does so)
    python -m netlens_core.grading.exports.autograder --try /autograder    what works here (setup.sh does so)

Where no sandbox works, or something of ours fails, no results are written: Gradescope then tells staff that the
autograder failed, and nobody has points that are wrong.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netlens_core import NetlensError
from netlens_core.grading.exercise import Exercise, Networks
from netlens_core.grading.exports.gradescope import results, results_bytes
from netlens_core.grading.exports.scores import Scored
from netlens_core.grading.files import write_atomically
from netlens_core.grading.grade import Grade
from netlens_core.grading.intake import Unread, find_submission_file, read_submission_file
from netlens_core.grading.pool import Work, grade_all
from netlens_core.grading.sandbox.levels import best_level
from netlens_core.grading.unrun import refused
from netlens_core.languages import speaking
from netlens_core.own_inputs import InputsError, student_id, student_seed

PACKED = "exercise.pickle"  # written by netlens, beside this code; students never get at it
_MOST_METADATA = 1 << 20  # bytes


@dataclass(frozen=True)
class Packed:
    """All that grading an exercise needs, as `netlens gradescope-zip` packs it.

    Attributes:
        students: e-mail address in small letters -> the ID that the student's own inputs derive from.
        visibility, pictures: as `gradescope.results`.
    """

    exercise: Exercise
    networks: Networks
    course_seed: int
    students: Mapping[str, str] = field(default_factory=dict)
    visibility: str = "visible"
    pictures: bool = True


def grade_submission(root: Path) -> dict[str, Any]:
    """Grade what lies in `root`/submission; the content of results.json, which is written.

    Raises NetlensError where it cannot be graded safely; then there is no results.json.
    """
    target = root / "results" / "results.json"
    target.unlink(missing_ok=True)
    packed = _packed(root)
    level = _level()
    grade = _graded(packed, root / "submission", _student(packed, root / "submission_metadata.json"), level)
    faults = [check.fault.strip().splitlines()[-1] for check in grade.checks if check.fault.strip()]
    if faults:
        raise NetlensError(f"grading failed through no fault of the student, run it again: {'; '.join(faults)}")
    with speaking(packed.exercise.catalog):
        shown = Scored("", grade)
        content = results(shown, grade.pictures.__getitem__, packed.visibility, packed.pictures)
    write_atomically(target, results_bytes(content))
    return content


def _graded(packed: Packed, folder: Path, student: str, level: str) -> Grade:
    exercise, networks = packed.exercise, packed.networks
    seed = student_seed(packed.course_seed, student, exercise.slug)
    with speaking(exercise.catalog):
        found = find_submission_file(folder, exercise.slug)
        data = found if isinstance(found, str) else read_submission_file(found)
    if isinstance(data, Unread):
        raise NetlensError(f"{folder}: {data} Run it again")
    if isinstance(data, str):
        return refused(data, "", exercise, networks, seed, level)
    name = found.name if isinstance(found, Path) else exercise.slug
    work = Work(name, "", lambda: (data, name), exercise, networks, seed, level)
    [(_, grade)] = grade_all([work], workers=1)
    return grade


def _level() -> str:
    """The strongest sandbox that works here, said where it is not the full one. Raises NetlensError for none."""
    level, reason = best_level()
    if level == "none":
        raise NetlensError(f"no sandbox works here, so nothing is run ({reason})")
    if level != "full":
        print(f"netlens: the {level} sandbox; the full one does not work here ({reason})")
    return level


def _packed(root: Path) -> Packed:
    path = root / "source" / PACKED
    try:
        packed = pickle.loads(path.read_bytes())
    except FileNotFoundError:
        raise NetlensError(f"{path} is missing: make the zip again with netlens gradescope-zip") from None
    if not isinstance(packed, Packed):
        raise NetlensError(f"{path} is damaged: make the zip again with netlens gradescope-zip")
    return packed


def _student(packed: Packed, metadata: Path) -> str:
    """Whose inputs to use: as the packed list says of an e-mail address, else what stands before its @."""
    users: Any = []
    try:
        if metadata.stat().st_size <= _MOST_METADATA:
            users = json.loads(metadata.read_bytes()).get("users", [])
    except (OSError, ValueError, AttributeError, RecursionError):
        pass
    emails = [user["email"].strip().lower() for user in users if isinstance(user, dict) and _is_text(user.get("email"))]
    known = [packed.students[email] for email in emails if email in packed.students]
    try:
        return student_id((known or [email.partition("@")[0] for email in emails] or ["student"])[0])
    except InputsError:
        return "student"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _tried(root: Path) -> None:
    """Say what works here; loads every network, so that the image is known to be complete."""
    from netlens_core.networks import load_network

    packed = _packed(root)
    print(f"netlens: sandbox {best_level()[0]} (Gradescope's containers may differ from the one that builds them)")
    for name in packed.networks.names:
        if load_network(name, device="cpu").fingerprint != packed.networks.fingerprints[name]:
            raise NetlensError(f"{name} has other weights here than in the course")
    print(f"netlens: ready to grade {packed.exercise.slug}: {', '.join(packed.networks.names)}")


def main(arguments: list[str]) -> int:
    """Exit status 0: done; 1: could not be graded, which is said on standard error."""
    trying = arguments[:1] == ["--try"]
    root = Path(arguments[-1] if arguments[trying:] else "/autograder")
    try:
        if trying:
            _tried(root)
        else:
            content = grade_submission(root)
            print(f"netlens: {content['score']:g} points")
    except (NetlensError, OSError) as error:
        print(f"netlens: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    # Pickled under the module's real name, which this one has not while it runs as a script.
    from netlens_core.grading.exports import autograder

    sys.exit(autograder.main(sys.argv[1:]))
