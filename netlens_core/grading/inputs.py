"""What exercises work on, images above all: each student's own, the course's, and hidden ones; all made from seeds.

A student's input derives from course seed, exercise and student ID, so that neighbours cannot copy an image; a
hidden one derives from the course's secret. Inputs that do not depend on the student are made once and kept as files.
"""

from __future__ import annotations

import contextlib
import hashlib
import struct
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from netlens_core.grading.exercise import Exercise
from netlens_core.grading.sheets import InputSpec
from netlens_core.grading.source_code import digest_of
from netlens_core.own_inputs import derived_seed, drawn
from netlens_core.progress import activity

if TYPE_CHECKING:
    from torch import Tensor

    from netlens_core.digits import Digits
    from netlens_core.networks import Network

# What a grader finds under an input's name.
Given: TypeAlias = "Tensor | Digits | str"


def with_recipes(exercise: Exercise, course_seed: int, secret: str, forged_with: str) -> Exercise:
    """The exercise with what its course-wide and hidden inputs are made from: nothing is drawn or forged.

    Args:
        forged_with: the fingerprints of the networks that noise is forged with.
    """
    recipes = {}
    for name, spec in exercise.sheet.inputs.items():
        if spec.whose != "student":
            seed = _shared_seed(spec, name, exercise.slug, course_seed, secret)
            recipes[name] = digest_of(f"{seed} {forged_with if spec.draw == 'noise' else ''}".encode())
    return replace(exercise, recipes=recipes)


def with_materials(
    exercise: Exercise,
    course_seed: int,
    secret: str,
    source: CourseNetworks,
    cache: Path,
    whose: Collection[str] = ("course", "hidden"),
) -> Exercise:
    """The exercise with its course-wide and hidden inputs made, or those of `whose`; or read from the cache folder."""
    materials = {
        name: _made_once(name, spec, _shared_seed(spec, name, exercise.slug, course_seed, secret), source, cache)
        for name, spec in exercise.sheet.inputs.items()
        if spec.whose in whose
    }
    return replace(exercise, materials=materials)


def _shared_seed(spec: InputSpec, name: str, slug: str, course_seed: int, secret: str) -> int:
    # Exercises share the released noise: the same class and seed give the same picture in each of them.
    if spec.whose == "course":
        return derived_seed("course", course_seed, spec.draw, spec.category or spec.manner, spec.color)
    return derived_seed("hidden", secret, slug, name)


class CourseNetworks:
    """The course's networks by name, loaded only when something has to be forged with them."""

    def __init__(self, target: str, jury: Sequence[str], fingerprints: Mapping[str, str]) -> None:
        self._names = (target, *jury)
        self.fingerprint = " ".join(fingerprints[name] for name in self._names)

    def load(self) -> tuple[Network, list[Network]]:
        """Target and jury on the processor: forging there gives the same picture everywhere."""
        from netlens_core.networks import load_network

        with activity("loading networks"):
            target, *jury = (load_network(name, device="cpu") for name in self._names)
        return target, jury


def _made_once(name: str, spec: InputSpec, seed: int, source: CourseNetworks, cache: Path) -> bytes:
    from netlens_core.grading.files import move_aside, read_regular_file, write_atomically
    from netlens_core.images import encode_png

    if spec.draw == "category":
        return _chosen(spec, seed).encode()
    if spec.draw == "digits":
        return str(seed).encode()  # they come with scikit-learn; only their order is ours
    # Only forging needs a network, so that drawing does not depend on which there are.
    forged_with = [source.fingerprint] if spec.draw == "noise" else []
    key = hashlib.sha256(
        "\n".join([spec.model_dump_json(), str(seed), *forged_with, _recipe_digest()]).encode()
    ).hexdigest()
    path = cache / f"{spec.draw}-{key[:24]}.png"
    with contextlib.suppress(OSError):
        if _whole_png(data := read_regular_file(path)):
            return data
    with activity(f"{'forging noise' if spec.draw == 'noise' else 'drawing'} for {spec.file or name}"):
        data = encode_png(_forged(spec, seed, source) if spec.draw == "noise" else _drawn(spec, seed))
    move_aside(path)
    write_atomically(path, data)
    return data


def _whole_png(data: bytes) -> bool:
    """Whether a PNG is all there, by the checksums of its chunks: with a damaged picture, grades would be others."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return False
    at, kind = 8, b""
    while kind != b"IEND" and at + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + size
        if data[end : end + 4] != struct.pack(">I", zlib.crc32(data[at + 4 : end])):
            return False
        at = end + 4
    return kind == b"IEND" and at == len(data)


def _recipe_digest() -> str:
    """Changes when the code that draws or forges does, so that no stale picture is used."""
    here = Path(__file__).parent
    sources = (here.parent / "daisies.py", here.parent / "paintings.py", here / "forge.py", here / "clocks.py")
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _forged(spec: InputSpec, seed: int, source: CourseNetworks) -> Tensor:
    from netlens_core.grading.forge import forge_noise

    target, jury = source.load()
    return forge_noise(target, spec.category or "", seed, spec.size, jury)


def _drawn(spec: InputSpec, seed: int) -> Tensor:
    if spec.draw == "clock":
        from netlens_core.grading.clocks import draw_clock

        return draw_clock(seed, spec.size)
    return drawn(spec.draw, seed, spec.size, spec.color, spec.manner)


def _chosen(spec: InputSpec, seed: int) -> str:
    among = spec.among or [""]
    return among[seed % len(among)]


def student_inputs(exercise: Exercise, seed: int) -> dict[str, Given]:
    """The inputs that depend on the student, by name."""
    return {
        name: _given(spec, derived_seed(seed, name))
        for name, spec in exercise.sheet.inputs.items()
        if spec.whose == "student"
    }


def _given(spec: InputSpec, seed: int) -> Given:
    if spec.draw == "category":
        return _chosen(spec, seed)
    return _digits(spec, seed) if spec.draw == "digits" else _drawn(spec, seed)


def _digits(spec: InputSpec, seed: int) -> Digits:
    from netlens_core.digits import load_digits

    return load_digits(seed, spec.classes or 10)


def all_inputs(exercise: Exercise, seed: int) -> dict[str, Given]:
    """Every input of one student's exercise, by name: images (3, size, size), float32 in [0, 1]; digits; a category."""
    own = student_inputs(exercise, seed)
    return {
        name: own[name] if name in own else _kept(spec, exercise.materials[name])
        for name, spec in exercise.sheet.inputs.items()
    }


def _kept(spec: InputSpec, material: bytes) -> Given:
    from netlens_core.images import load_image

    if spec.draw == "category":
        return material.decode()
    return _digits(spec, int(material)) if spec.draw == "digits" else load_image(material)


def released_files(exercise: Exercise, inputs: Mapping[str, Given]) -> dict[str, bytes]:
    """The pictures that lie beside the student's notebook: file name -> PNG bytes."""
    from netlens_core.images import encode_png

    return {
        spec.file: exercise.materials[name] if name in exercise.materials else encode_png(inputs[name])  # type: ignore[arg-type]
        for name, spec in exercise.sheet.inputs.items()
        if spec.file
    }
