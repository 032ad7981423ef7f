"""Networks that many tests share. SqueezeNet's weights come from TORCH_HOME or lie beside the checkout."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlens_core.networks import Network, load_network, network_source

_BESIDE = Path(__file__).parents[2] / "shared" / "weights"
if "TORCH_HOME" not in os.environ and _BESIDE.is_dir():
    os.environ["TORCH_HOME"] = str(_BESIDE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with many slow tests come first: the last file to begin must not be one that leaves the other core idle."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session")
def lite0() -> Network:
    """EfficientNet-Lite0, the default target network."""
    return load_network("efficientnet_lite0", device="cpu")


@pytest.fixture(scope="session")
def lite1() -> Network:
    """EfficientNet-Lite1, a juror."""
    return load_network("efficientnet_lite1", device="cpu")


@pytest.fixture(scope="session")
def lite2() -> Network:
    """EfficientNet-Lite2, a juror."""
    return load_network("efficientnet_lite2", device="cpu")


@pytest.fixture(scope="session")
def squeezenet() -> Network:
    """SqueezeNet 1.1 with its real weights; they are not downloaded for a test."""
    source = network_source("squeezenet1_1")
    if not source.available:
        pytest.skip(f"the weights of squeezenet1_1 are not at {source.path}")
    return load_network("squeezenet1_1", device="cpu")


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Eight busy processes beside the test, on two cores."""
    from tests.busy import busy_processes  # a checkout of somebody's own exercises has this file alone

    with busy_processes():
        yield
