"""Makes the pictures of docs/methods anew, from code and seeds alone.

    python -m gallery [METHOD …]

Each module beside this one is a method's page and yields its pictures: name and image (3, H, W) in [0, 1].
"""

from __future__ import annotations

import argparse
import os
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "methods" / "pictures"
MOST_BYTES = 200_000
METHODS = ("activations", "analysis", "classification", "adversarial", "dream", "style", "gan", "cam")

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "weights"
if "TORCH_HOME" not in os.environ and _BESIDE.is_dir():
    os.environ["TORCH_HOME"] = str(_BESIDE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", nargs="*", choices=[[], *METHODS])
    for method in parser.parse_args().method or METHODS:
        for name, image in import_module(f"gallery.{method}").pictures():
            print(write(f"{method}-{name}", image), flush=True)


def write(name: str, image) -> Path:  # type: ignore[no-untyped-def]
    """The picture as a PNG where that stays under the limit, else as the best JPEG that does."""
    import io

    import numpy as np
    from PIL import Image

    array = (image.detach().clamp(0, 1) * 255).round().to("cpu").permute(1, 2, 0).numpy().astype(np.uint8)
    picture = Image.fromarray(array)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob(f"{name}.*"):
        old.unlink()
    plain = io.BytesIO()
    picture.save(plain, "PNG", optimize=True)
    if len(plain.getvalue()) <= MOST_BYTES:
        path, data = FOLDER / f"{name}.png", plain.getvalue()
    else:
        path, data = FOLDER / f"{name}.jpg", _smaller(picture)
    path.write_bytes(data)
    return path


def _smaller(picture) -> bytes:  # type: ignore[no-untyped-def]
    import io

    for quality in range(95, 40, -5):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality, optimize=True)
        if len(file.getvalue()) <= MOST_BYTES:
            return file.getvalue()
    raise SystemExit(f"a picture of {picture.size} pixels does not fit {MOST_BYTES} bytes: make it smaller")


if __name__ == "__main__":
    main()
