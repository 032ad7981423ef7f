"""What the cells of a claimed table may look like, and which rows there are."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from netlens_core.measures.layer_table import compared, family, layer_table, learnables_of, size_of
from netlens_core.networks import load_network


@pytest.mark.parametrize(
    ("claim", "size"),
    [
        ([113, 113, 64], (113, 113, 64)),
        ([113.0, 113.0, 64.0], (113, 113, 64)),
        ("113x113x64", (113, 113, 64)),
        ("113 × 113 × 64", (113, 113, 64)),
        ("(113, 113, 64)", (113, 113, 64)),
        ([1, 1, 1000], (1000,)),
        ("1x1x1000", (1000,)),
        (1000, (1000,)),
        ([113.5, 113, 64], None),
        ("-", None),
        ("", None),
        (None, None),
    ],
)
def test_sizes(claim, size):
    assert size_of(claim) == size


@pytest.mark.parametrize(
    ("claim", "number"),
    [
        (1792.0, 1792),
        ("1792", 1792),
        ("1,792", 1792),
        ("1 235 496", 1235496),
        ("-", 0),
        ("", 0),
        ("Weights 3x3x3x64 Bias 1x1x64", 1792),
        ("Weights 3 × 3 × 3 × 64, Bias 64", 1792),
        ("Weights 1000x512 Bias 1000x1", 513000),
        (1.5, None),
        ([3, 3], None),
    ],
)
def test_learnables(claim, number):
    assert learnables_of(claim) == number


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["Conv2d", "Convolution", "2-D Convolution", "Conv2dSame", "konvoluce"], "convolution"),
        (["ReLU", "ReLU6", "Clipped ReLU", "rectified linear"], "ReLU"),
        (["MaxPool2d", "Max Pooling", "2-D max pooling"], "max pooling"),
        (["AdaptiveAvgPool2d", "Global Average Pooling", "AvgPool2d"], "average pooling"),
        (["Linear", "Fully Connected", "Dense", "plně propojená"], "fully connected"),
        (["BatchNorm2d", "Batch Normalization", "BatchNormAct2d"], "batch normalization"),
        (["Dropout", "dropout2d"], "dropout"),
        (["Image Input", "input", "vstup"], "input"),
    ],
)
def test_families_of_types(names, wanted):
    assert {family(name) for name in names} == {wanted}


def test_the_classic_table_of_squeezenet():
    table = layer_table(load_network("untrained:squeezenet1_1", "cpu"), 227)
    required = [layer for layer in table.started if layer.required]
    assert len(required) == 58 and table.learnables == 1_235_496
    assert [layer.size for layer in required[:5]] == [
        (227, 227, 3),
        (113, 113, 64),
        (113, 113, 64),
        (56, 56, 64),
        (56, 56, 16),
    ]
    assert required[1].learnables == 1792


def test_a_layer_that_computes_twice_has_two_rows_and_one_that_does_not_has_none():
    network = load_network("untrained:resnet18", "cpu")
    relus = [layer for layer in layer_table(network, 64).ended if layer.family == "ReLU" and layer.required]
    assert len(relus) == 17 and sum(isinstance(m, nn.ReLU) for m in network.module.modules()) == 9


def test_nothing_stays_on_the_network():
    network = load_network("untrained:resnet18", "cpu")
    layer_table(network, 64)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.module.modules())
    assert not network.module.training and torch.is_grad_enabled()


def test_a_missing_row_costs_only_itself():
    table = layer_table(load_network("untrained:squeezenet1_1", "cpu"), 227)
    rows = [
        {"name": str(place), "type": layer.family, "activations": list(layer.size), "learnables": layer.learnables}
        for place, layer in enumerate(table.started)
        if layer.required
    ]
    comparison = compared(rows[:20] + rows[21:], table)
    assert comparison.whole == pytest.approx(57 / 58) and comparison.superfluous == 0
