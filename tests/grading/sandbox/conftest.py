"""A warm sandbox that the tests of this folder share; at the strongest level that works here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlens_core.grading.sandbox.box import Sandbox


@pytest.fixture(scope="session")
def box() -> Iterator[Sandbox]:
    """A sandbox that knows EfficientNet-Lite0."""
    with Sandbox(networks=("efficientnet_lite0",), level=Sandbox.best_level()[0]) as sandbox:
        yield sandbox
