"""What a notebook imports beyond what the course brings."""

from __future__ import annotations

import pytest

from netlens_core.grading import other_packages as module
from netlens_core.grading.other_packages import other_packages

INSTALLED = {"torch": ["torch"], "seaborn": ["seaborn"], "cv2": ["opencv-python"], "tqdm": ["tqdm"], "PIL": ["Pillow"]}
NEEDS = {
    "netlens-kit": ["torch>=2.9", "Pillow[webp] (>=10)", 'seaborn; extra == "plots"'],
    "torch": ["tqdm", "absent; python_version < '3'"],
    "pillow": [],
    "tqdm": ["torch"],
}


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    def requires(name: str) -> list[str]:
        if name not in NEEDS:
            raise module.PackageNotFoundError(name)
        return NEEDS[name]

    monkeypatch.setattr(module, "requires", requires)
    monkeypatch.setattr(module, "packages_distributions", lambda: INSTALLED)


@pytest.mark.parametrize(
    ("source", "others"),
    [
        ("import torch, tqdm\nfrom PIL import Image\nimport os.path, netlens, netlens_core.images", []),
        ("import seaborn as sns", ["seaborn"]),  # what an extra alone brings is not brought
        ("%matplotlib inline\ndef f():\n    from cv2.data import x", ["cv2"]),
        ("import not_installed\nfrom . import cv2", []),  # its error tells; no package of its own
        ("import cv2 (", []),
    ],
)
def test_what_the_course_does_not_bring(source, others):
    assert other_packages(["1", source]) == others


def test_where_netlens_was_not_installed_nothing_is_told(monkeypatch):
    monkeypatch.setattr(module, "_OURS", ("nowhere",))
    assert other_packages(["import seaborn"]) == []
