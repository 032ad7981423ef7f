"""The images that exercises work on: each student's own, the course's, and hidden ones; all made from seeds.

A student's input derives from course seed, exercise and student ID, so that neighbours cannot copy an image; a
hidden one derives from the course's secret. Inputs that do not depend on the student are made once and kept as files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from netlens_core.grading.exercise import Exercise, InputSpec

if TYPE_CHECKING:
    from torch import Tensor

    from netlens_core.networks import Network


def derived_seed(*parts: object) -> int:
    """A seed in [0, 2**31) from any named parts: SHA-256 of them, so that near parts give unrelated seeds."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def student_seed(course_seed: int, student: str, slug: str) -> int:
    """The seed of one student's inputs for one exercise."""
    return derived_seed("student", course_seed, slug, student)


def with_materials(exercise: Exercise, course_seed: int, secret: str, source: CourseNetworks, cache: Path) -> Exercise:
    """The exercise with its course-wide and hidden inputs made, or read from the cache folder."""
    materials = {
        name: _made_once(spec, _shared_seed(spec, name, exercise.slug, course_seed, secret), source, cache)
        for name, spec in exercise.sheet.inputs.items()
        if spec.whose != "student"
    }
    return replace(exercise, materials=materials)


def _shared_seed(spec: InputSpec, name: str, slug: str, course_seed: int, secret: str) -> int:
    # Exercises share the released noise: the same class and seed give the same picture in each of them.
    if spec.whose == "course":
        return derived_seed("course", course_seed, spec.draw, spec.category, spec.color)
    return derived_seed("hidden", secret, slug, name)


class CourseNetworks:
    """The course's networks by name, loaded only when something has to be forged with them."""

    def __init__(self, target: str, jury: Sequence[str], fingerprints: Mapping[str, str]) -> None:
        self._names = (target, *jury)
        self.fingerprint = " ".join(fingerprints[name] for name in self._names)

    def load(self) -> tuple[Network, list[Network]]:
        """Target and jury on the processor: forging there gives the same picture everywhere."""
        from netlens_core.networks import load_network

        target, *jury = (load_network(name, device="cpu") for name in self._names)
        return target, jury


def _made_once(spec: InputSpec, seed: int, source: CourseNetworks, cache: Path) -> bytes:
    key = hashlib.sha256(
        "\n".join([spec.model_dump_json(), str(seed), source.fingerprint, _recipe_digest()]).encode()
    ).hexdigest()
    path = cache / f"{spec.draw}-{key[:24]}.png"
    if path.is_file() and (data := path.read_bytes()).startswith(b"\x89PNG"):
        return data
    from netlens_core.grading.store import write_atomically
    from netlens_core.images import encode_png

    data = encode_png(_made(spec, seed, source))
    write_atomically(path, data)
    return data


def _recipe_digest() -> str:
    """Changes when the code that draws or forges does, so that no stale picture is used."""
    here = Path(__file__).parent
    sources = (here.parent / "daisies.py", here / "forge.py")
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _made(spec: InputSpec, seed: int, source: CourseNetworks) -> Tensor:
    if spec.draw == "daisy":
        return _daisy(spec, seed)
    from netlens_core.grading.forge import forge_noise

    target, jury = source.load()
    return forge_noise(target, spec.category or "", seed, spec.size, jury)


def _daisy(spec: InputSpec, seed: int) -> Tensor:
    from netlens_core.daisies import draw_daisy

    return draw_daisy(seed, spec.size, spec.color).image


def student_images(exercise: Exercise, seed: int) -> dict[str, Tensor]:
    """The inputs that depend on the student: name -> image (3, size, size)."""
    return {
        name: _daisy(spec, derived_seed(seed, name))
        for name, spec in exercise.sheet.inputs.items()
        if spec.whose == "student"
    }


def all_images(exercise: Exercise, seed: int) -> dict[str, Tensor]:
    """Every input of one student's exercise: name -> image (3, size, size), float32 in [0, 1]."""
    from netlens_core.images import load_image

    drawn = student_images(exercise, seed)
    return {
        name: drawn[name] if name in drawn else load_image(exercise.materials[name]) for name in exercise.sheet.inputs
    }


def released_files(exercise: Exercise, images: Mapping[str, Tensor]) -> dict[str, bytes]:
    """The pictures that lie beside the student's notebook: file name -> PNG bytes."""
    from netlens_core.images import encode_png

    return {
        spec.file: exercise.materials[name] if name in exercise.materials else encode_png(images[name])
        for name, spec in exercise.sheet.inputs.items()
        if spec.file
    }
