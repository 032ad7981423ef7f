"""`analysis`: other analysers count, and every row that is put right earns as much or more."""

from __future__ import annotations

import random

import pytest
import torch
import torchinfo

from netlens_core.measures.layer_table import compared, layer_table
from netlens_core.methods.analysis import analyze as analyze_by_netlens
from netlens_core.networks import load_network

TARGETS = ["efficientnet_lite0", "squeezenet1_1"]


def by_torchinfo(network, input_size):
    summary = torchinfo.summary(network.module, input_size=(1, 3, input_size, input_size), verbose=0)
    rows = [{"name": "data", "type": "Input", "activations": [input_size, input_size, 3], "learnables": 0}]
    for info in summary.summary_list:
        own = sum(parameter.numel() for parameter in info.module.parameters(recurse=False))
        if info.is_leaf_layer or own:
            channels, *size = info.output_size[1:]
            rows.append(
                {
                    "name": f"{len(rows)}: {info.var_name}",
                    "type": info.class_name,
                    "activations": [*size, channels],
                    "learnables": own,
                }
            )
    return rows


def by_netlens(network, input_size):
    """Texts of the classic table: 113x113x64, Weights 3x3x3x64 Bias 1x1x64; operations and classification as rows."""
    return [
        {"name": row.name, "type": row.type, "activations": row.activations, "learnables": row.learnables}
        for row in analyze_by_netlens(network, input_size).rows
    ]


@pytest.fixture
def target(request, squeezenet):
    return request.param


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("target", TARGETS, indirect=True)
def test_the_reference_earns_everything(trying, target, number):
    exercise = trying("analysis", target, number)
    assert exercise.lost(exercise.mark(exercise.reference())) == {}


@pytest.mark.parametrize("analyze", [by_torchinfo, by_netlens])
@pytest.mark.parametrize("target", TARGETS, indirect=True)
def test_other_analysers_earn_everything(trying, target, analyze):
    exercise = trying("analysis", target)
    assert exercise.lost(exercise.mark({"analyze": analyze})) == {}


@pytest.mark.parametrize(
    "name", ["untrained:resnet18", "untrained:mobilenet_v2", "untrained:mnasnet0_5", "untrained:googlenet"]
)
def test_all_hidden_networks_suit_other_analysers(name):
    network = load_network(name, "cpu")
    for analyze in (by_torchinfo, by_netlens):
        comparison = compared(analyze(network, 193), layer_table(network, 193))
        assert (comparison.whole, comparison.superfluous, comparison.total_error) == (1, 0, 0)


WRONG_ROW = {"name": "", "type": "?", "activations": [1, 2, 3], "learnables": 5}


@pytest.mark.parametrize(
    "wrong", [{"type": "?"}, {"activations": [1, 2, 3]}, {"learnables": 5}, {"name": ""}, WRONG_ROW]
)
def test_each_row_put_right_earns_as_much_or_more(trying, wrong):
    order = list(range(400))
    random.Random(1).shuffle(order)

    def partly(share):
        def analyze(network, input_size):
            rows = by_torchinfo(network, input_size)
            spoilt = [place for place in order if place < len(rows)][round(share * len(rows)) :]
            return [row | wrong if place in spoilt else row for place, row in enumerate(rows)]

        return {"analyze": analyze}

    exercise = trying("analysis")
    points = exercise.points_along(partly(share) for share in (0, 0.4, 0.6, 0.9, 0.99, 1))
    assert points == sorted(points) and points[0] < points[-1] == exercise.exercise.max_points, points


def spoilt(change):
    return {"analyze": lambda network, input_size: change(by_torchinfo(network, input_size), network)}


def guessed(rows, _network):
    """Beside each row three more guesses."""
    return [guess for row in rows for guess in (row, row | {"learnables": 0}, row | {"type": "ReLU"}, row)]


def spread_evenly(rows, _network):
    """The right total, in the wrong rows."""
    total = sum(row["learnables"] for row in rows)
    return [row | {"learnables": total if place == 1 else 0} for place, row in enumerate(rows)]


def backwards(rows, _network):
    return rows[:1] + rows[:0:-1]


def several_types(rows, _network):
    return [row | {"type": "Input Convolution ReLU Max Pooling Average Pooling Dropout Norm"} for row in rows]


def with_statistics(rows, network):
    """Batch normalisation's running means and variances, counted as learnables."""
    extra = iter([len(m.running_mean) for m in network.module.modules() if isinstance(m, torch.nn.BatchNorm2d)])
    return [row | {"learnables": row["learnables"] + 2 * next(extra)} if "Norm" in row["type"] else row for row in rows]


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (guessed, {"test_layers", "test_learnables", "test_other_sizes", "test_other_networks"}),
        (spread_evenly, {"test_learnables", "test_other_sizes", "test_other_networks"}),
        (several_types, {"test_layers", "test_other_sizes", "test_other_networks"}),
        (with_statistics, {"test_other_sizes", "test_other_networks"}),
    ],
)
def test_tricks_lose_what_they_are_about(trying, change, lost):
    exercise = trying("analysis")
    assert set(exercise.lost(exercise.mark(spoilt(change)))) == lost


def test_a_table_backwards_earns_next_to_nothing(trying):
    exercise = trying("analysis")
    checks = exercise.mark(spoilt(backwards))
    assert len(exercise.lost(checks)) >= 4
    assert checks["test_other_sizes"].points == checks["test_other_networks"].points == 0


@pytest.mark.parametrize(
    "rows", [[], [{}], [{"name": 1}] * 3000, [{"type": "Conv2d", "activations": "", "learnables": []}]]
)
def test_odd_tables_earn_nothing_and_break_nothing(trying, rows):
    exercise = trying("analysis")
    assert sum(check.points for check in exercise.mark({"analyze": lambda network, size: rows}).values()) == 0
