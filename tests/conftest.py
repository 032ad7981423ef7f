"""Networks that many tests share. SqueezeNet's weights come from TORCH_HOME or lie beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netlens_core.networks import Network, load_network, network_source

_BESIDE = Path(__file__).parents[2] / "shared" / "weights"
if "TORCH_HOME" not in os.environ and _BESIDE.is_dir():
    os.environ["TORCH_HOME"] = str(_BESIDE)


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
