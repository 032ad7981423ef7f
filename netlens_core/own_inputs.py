"""A student's own inputs: which seed each derives from, and how it is drawn. A release, a student at home and grading
all use this code, so the same ID gives the same bytes everywhere.

    make_inputs("adversarial", "ada")       # beside the notebook and the `inputs.json` that was handed out with it
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlens_core import NetlensError
from netlens_core.languages import translate

if TYPE_CHECKING:
    from torch import Tensor

FACTS = "inputs.json"  # beside each notebook: the course seed, and what is drawn for its students
MAX_FACTS = 1 << 18  # bytes
LONGEST_ID = 200  # bytes in UTF-8; file systems end at 255


class InputsError(NetlensError, ValueError):
    """Inputs that cannot be made: an ID, a seed or a file that is no good; the message says what to do."""


# -- who gets which ---------------------------------------------------------------------------------------


def derived_seed(*parts: object) -> int:
    """A seed in [0, 2**31) from any named parts: SHA-256 of them, so that near parts give unrelated seeds."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def student_seed(course_seed: int, student: str, slug: str) -> int:
    """The seed of one student's inputs for one exercise. However an ID's accents are stored, its seed is the same."""
    return derived_seed("student", course_seed, slug, _composed(student))


def _composed(student: str) -> str:
    return unicodedata.normalize("NFC", student).strip()


def student_id(text: str) -> str:
    """A student ID as folders are named by it. Raises InputsError for one that can name no folder."""
    name = _composed(text)
    shown = ascii(name[:60])
    if not name:
        raise InputsError(translate("a student ID is empty"))
    if not name.isprintable() or "/" in name or "\\" in name or name.startswith("."):
        told = translate(
            "{name} cannot be a student ID: it names a folder, so it begins with no full stop and holds no slash and "
            "no invisible character",
            name=shown,
        )
        raise InputsError(told)
    if len(name.encode()) > LONGEST_ID:
        told = translate("{name}… is too long for a student ID: at most {limit} bytes", name=shown, limit=LONGEST_ID)
        raise InputsError(told)
    return name


# -- what they get ----------------------------------------------------------------------------------------


def drawn(draw: str, seed: int, size: int, color: str | None = None, manner: str | None = None) -> Tensor:
    """An image (3, size, size) from a seed: a daisy of a color (either, where none is named), or a painting."""
    from netlens_core.daisies import draw_daisy
    from netlens_core.paintings import paint

    if draw == "painting":
        return paint(manner or "", seed, size)
    if draw != "daisy":
        raise ValueError(f"nothing is called {draw!r} that could be drawn")
    return draw_daisy(seed, size, color).image  # type: ignore[arg-type]


def own_images(slug: str, student: str, course_seed: int, inputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Tensor]:
    """File name -> image, for a student's own pictures. Raises InputsError for an ID that cannot be one.

    Args:
        inputs: name of the input -> `file`, and the arguments of `drawn` but for the seed.
    """
    seed = student_seed(course_seed, student_id(student), slug)
    images = {}
    for name, spec in inputs.items():
        look = {key: value for key, value in spec.items() if key != "file"}
        images[spec["file"]] = drawn(seed=derived_seed(seed, name), **look)
    return images


def make_inputs(slug: str, student: str, folder: str | Path = ".") -> list[Path]:
    """Write a student's own pictures beside the notebook, over those for practice; returns their paths.

    `inputs.json`, which is handed out with each notebook, has to lie in the folder. Raises InputsError where it is
    missing or belongs to another exercise, and for an ID that cannot be one; ImageError where nothing can be written.
    """
    path = Path(folder) / FACTS
    facts = _facts(path)
    if facts.get("exercise") != slug:
        other = ascii(facts.get("exercise"))[:60]
        raise InputsError(
            translate("{path} belongs to {other}, not to {name}", path=path, other=other, name=repr(slug))
        )
    try:
        images = own_images(slug, student, int(facts["course_seed"]), facts["inputs"])
        if any(Path(name).name != name for name in images):
            raise ValueError
    except InputsError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(path) from None
    return save_images(images, Path(folder))


def save_images(images: Mapping[str, Tensor], folder: Path) -> list[Path]:
    """Write images by their file names into a folder that is there; returns their paths."""
    from netlens_core.images import save_image

    for name, image in images.items():
        save_image(image, folder / name)
    return [folder / name for name in images]


def _facts(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            facts = json.loads(file.read(MAX_FACTS))
    except FileNotFoundError:
        told = translate("{path} is missing: it is handed out with the notebook and belongs beside it", path=path)
        raise InputsError(told) from None
    except (ValueError, RecursionError):
        raise _damaged(path) from None
    if not isinstance(facts, dict):
        raise _damaged(path)
    return facts


def _damaged(path: Path) -> InputsError:
    return InputsError(translate("{path} is damaged: take it again from where you got the notebook", path=path))
