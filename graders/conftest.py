"""What the marking schemes share."""

from __future__ import annotations

import pytest


@pytest.fixture
def same_size(expect):
    """`same_size(image, original, of="…")`: measures it, and tells whether the two can be compared pixel by pixel."""

    def measured(image, original, of=""):
        expect("size in pixels", _size(image), of=of, equal_to=_size(original))
        return image.shape == original.shape

    return measured


def _size(image):
    return f"{image.shape[2]} x {image.shape[1]}"
