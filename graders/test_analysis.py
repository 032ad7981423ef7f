"""Marks for `analysis`: a table of a network's layers, row by row against a trusted one."""

from __future__ import annotations

import pytest

from netlens_core.grading.marking import check
from netlens_core.measures.layer_table import compared, layer_table

# Tables are right or not: other analysers' rows (torchinfo's, netlens analyze's) reach 1 in every column on all
# networks here. A list of convolutions alone has the right type in 0.47 of SqueezeNet's rows.
TYPES = {"at_least": 1, "partial_from": 0.5}
# Shapes in the wrong order, or of another size of image, are right in the input's row at most; a table that stops
# after half of the rows in 0.5.
ACTIVATIONS = {"at_least": 1, "partial_from": 0.1}
# Among the layers that learn: without bias 0.
LEARNABLES = {"at_least": 1, "partial_from": 0.1}
TOTAL = {"at_most": 0, "partial_from": 0.5}
# Rows right in type, activations and learnables at once. In ResNet-18, listing by definition misses 8 of 61.
WHOLE = {"at_least": 1, "partial_from": 0.5}
# Rows for blocks of layers are none for layers: SqueezeNet's eight Fire modules and two sequences make ten.
SUPERFLUOUS = {"at_most": 0, "partial_from": 20}
NAMES = {"at_least": 1, "partial_from": 0.5}


@pytest.fixture(scope="session")
def classic(submission, networks):
    """How the table of SqueezeNet at 227 pixels compares."""
    network = networks["classic"]
    return compared(submission.analyze(network, 227), layer_table(network, 227))


@pytest.fixture
def same_table(submission, expect):
    """`same_table(network, size, of)`: measures how far a network's table is right as a whole."""

    def measure(network, size, of):
        table = layer_table(network, size)
        comparison = compared(submission.analyze(network, size), table)
        expect("share of the rows that are right", comparison.whole, of=of, **WHOLE)
        expect("rows that stand for no layer", comparison.superfluous, of=of, **SUPERFLUOUS)
        expect("error of all learnables together, as a share", comparison.total_error, of=of, **TOTAL)

    return measure


@check(points=2)
def test_layers(classic, expect):
    """A row for every layer of SqueezeNet, the input first, in the order of computation, each with its type."""
    expect("share of the rows of the right type", classic.types, **TYPES)
    expect("rows that stand for no layer", classic.superfluous, **SUPERFLUOUS)
    expect("share of the rows with a name of their own", classic.names, **NAMES)


@check(points=2)
def test_activations(classic, expect):
    """What each layer gives at 227 pixels: height x width x channels."""
    expect("share of the rows with the right activations", classic.activations, **ACTIVATIONS)


@check(points=2)
def test_learnables(classic, expect):
    """How many numbers each layer learns."""
    expect("share of the learning layers with the right learnables", classic.learnables, **LEARNABLES)
    expect("error of all learnables together, as a share", classic.total_error, **TOTAL)


@check(points=2)
def test_other_sizes(same_table, network, networks, inputs):
    """The table for another size of image, also of the course's network."""
    size = int(inputs["hidden_size"])
    same_table(networks["classic"], size, of="SqueezeNet")
    same_table(network, size, of="the course's network")


@check(points=2)
def test_other_networks(same_table, networks, inputs):
    """The table of networks that you have not seen."""
    size = int(inputs["hidden_size"])
    same_table(networks["residual"], size, of="network with shortcuts")
    same_table(networks[inputs["hidden_network"]], size, of="another network")
