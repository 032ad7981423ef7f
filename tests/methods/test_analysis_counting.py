"""Multiply-adds are counted wherever they are done, or said to be unknown; shapes and names are the network's own."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from netlens_core.methods.analysis import Analysis, LayerError, analyze
from netlens_core.methods.analysis.page import as_html
from netlens_core.methods.analysis.tables import as_csv, as_data, as_table, totals_text


def rows(analysis: Analysis) -> list[tuple[str, str, str]]:
    return [(row.name, row.type, row.activations) for row in analysis.rows]


# -- published figures -----------------------------------------------------------------------------------

NETWORKS = ["squeezenet1_1", "alexnet", "resnet18", "resnext50_32x4d", "mobilenet_v3_small", "shufflenet_v2_x0_5",
            "mnasnet0_5", "efficientnet_b0", "convnext_tiny", "vit_b_16", "swin_t", "swin_v2_t"]  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_torchvisions_published_multiply_adds(name):
    """torchvision calls them GFLOPS; measured with fvcore, which counts a multiply-add once."""
    published = torchvision.models.get_model_weights(name).DEFAULT
    with torch.device("meta"):  # shapes alone: no weights are drawn, nothing is computed
        module = torchvision.models.get_model(name, weights=None)
    analysis = analyze(module, published.transforms.keywords["crop_size"])
    assert analysis.multiply_adds == pytest.approx(1e9 * published.meta["_ops"], abs=0.6e6)
    assert analysis.parameters == published.meta["num_params"]


# -- recurrent layers ------------------------------------------------------------------------------------


def recurrent(gates: int, inputs: int, state: int, directions: int = 1, layers: int = 1) -> int:
    """Products of one step: each gate of each layer and direction meets its input and its state."""
    widths = [inputs] + [directions * state] * (layers - 1)
    return directions * sum(gates * state * (width + state) for width in widths)


@pytest.mark.parametrize(
    ("module", "wanted"),
    [
        (nn.LSTM(5, 7, batch_first=True), 4 * recurrent(4, 5, 7)),
        (nn.GRU(5, 7, 2, batch_first=True, bidirectional=True), 4 * recurrent(3, 5, 7, 2, 2)),
        (nn.RNN(5, 7, batch_first=True, nonlinearity="relu"), 4 * recurrent(1, 5, 7)),
        (nn.LSTM(5, 7, proj_size=3, batch_first=True), 4 * (4 * 7 * (5 + 3) + 3 * 7)),
    ],
)
def test_recurrent_layers(module, wanted):
    analysis = analyze(module, (4, 5))
    assert analysis.multiply_adds == wanted
    assert analysis.parameters == sum(parameter.numel() for parameter in module.parameters())


def test_recurrent_cells_and_packed_sequences():
    assert analyze(nn.LSTMCell(5, 7), (5,)).multiply_adds == recurrent(4, 5, 7)

    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(5, 7, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([3]), batch_first=True)
            output: Tensor = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]
            return output

    assert analyze(Packed(), (4, 5)).multiply_adds == 3 * recurrent(4, 5, 7)  # the fourth step is padding


# -- what runs outside of Python -------------------------------------------------------------------------


class Small(nn.Module):
    wanted = 14 * 14 * 8 * 27 + 8 * 5

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(functional.relu(self.conv(x)).mean((2, 3)))


def outer(inner: nn.Module) -> nn.Module:
    return nn.Sequential(inner, nn.Linear(5, 2))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [torch.jit.script, lambda m: torch.jit.trace(m, torch.rand(1, 3, 16, 16))])
def test_scripted_and_traced_modules_have_rows_too(make):
    analysis = analyze(make(Small().eval()), (3, 16, 16))
    assert analysis.multiply_adds == Small.wanted and analysis.parameters == 8 * 27 + 8 + 45
    shown = {row.name: row for row in analysis.rows}
    assert shown["conv"].learnables == "Weights 3x3x3x8 Bias 1x1x8" and shown["conv"].type == "Convolution"
    assert shown["head"].learnables == "Weights 5x8 Bias 5x1" and shown["head"].inputs == (4,)
    assert analyze(outer(make(Small().eval())), (3, 16, 16)).rows[1].name == "0.conv"


@pytest.mark.filterwarnings("ignore")
def test_a_frozen_script_keeps_its_weights_as_constants():
    frozen = torch.jit.freeze(torch.jit.script(Small().eval()))
    assert not list(frozen.parameters())
    analysis = analyze(frozen, (3, 16, 16))
    assert (analysis.multiply_adds, analysis.parameters, analysis.trainable) == (Small.wanted, 8 * 27 + 8 + 45, 0)


@pytest.mark.filterwarnings("ignore")
def test_dynamic_quantisation():
    quantised = torch.ao.quantization.quantize_dynamic(
        nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 4)), {nn.Linear}, dtype=torch.qint8
    )
    analysis = analyze(quantised, (6,))
    assert (analysis.multiply_adds, analysis.parameters, analysis.trainable) == (6 * 9 + 9 * 4, 63 + 40, 0)
    assert [row.learnables for row in analysis.rows] == ["-", "Weights 9x6 Bias 9x1", "-", "Weights 4x9 Bias 4x1"]
    assert [row.name for row in analysis.rows] == ["input", "0", "1", "2"] and not analysis.warnings
    assert "9 of 9 filters" in as_html(analysis)
    layers = nn.Sequential(nn.LSTM(5, 7, 2, bidirectional=True, batch_first=True))
    recurrent_layers = torch.ao.quantization.quantize_dynamic(layers, {nn.LSTM}, dtype=torch.qint8)
    analysis = analyze(recurrent_layers, (4, 5))
    assert analysis.multiply_adds == 4 * recurrent(4, 5, 7, 2, 2)
    assert analysis.parameters == sum(parameter.numel() for parameter in layers.parameters())


@pytest.mark.filterwarnings("ignore")
def test_static_quantisation():
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.quant, self.dequant = torch.ao.quantization.QuantStub(), torch.ao.quantization.DeQuantStub()
            self.conv, self.relu, self.head = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.dequant(self.head(self.relu(self.conv(self.quant(x))).mean((2, 3))))

    module = Wrapped().eval()
    module.qconfig = torch.ao.quantization.get_default_qconfig("fbgemm")
    module = torch.ao.quantization.fuse_modules(module, [["conv", "relu"]])
    prepared = torch.ao.quantization.prepare(module)
    prepared(torch.rand(1, 3, 9, 9))
    analysis = analyze(torch.ao.quantization.convert(prepared), (3, 9, 9))
    assert (analysis.multiply_adds, analysis.parameters) == (5 * 5 * 4 * 27 + 8, 112 + 10)
    conv = next(row for row in analysis.rows if row.name == "conv")
    assert conv.description == "4 3x3x3 convolutions with stride [2 2] and padding [1 1 1 1]"


def test_compiled_modules_are_looked_into():
    analysis = analyze(torch.compile(Small()), (3, 16, 16))
    assert analysis.multiply_adds == Small.wanted and analysis.rows[1].name == "conv"
    exported = torch.export.export(Small().eval(), (torch.rand(1, 3, 16, 16),)).module()
    assert analyze(exported, (3, 16, 16)).multiply_adds == Small.wanted


# -- ways to multiply ------------------------------------------------------------------------------------


class Product(torch.autograd.Function):
    @staticmethod
    def forward(context, x: Tensor, weight: Tensor) -> Tensor:
        return x @ weight

    @staticmethod
    def backward(context, gradient: Tensor) -> None:
        raise AssertionError


class Ways(nn.Module):
    """One product of a vector of 5 with a 5 x 5 matrix, in a way of one's choice."""

    def __init__(self, way: Callable[[Ways, Tensor], Tensor]) -> None:
        super().__init__()
        self.way, self.layer = way, nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.way(self, x)


WAYS: dict[str, Callable[[Ways, Tensor], Tensor]] = {
    "module": lambda net, x: net.layer(x),
    "forward": lambda net, x: net.layer.forward(x),
    "functional": lambda net, x: functional.linear(x, net.layer.weight),
    "operator": lambda net, x: x @ net.layer.weight,
    "einsum": lambda net, x: torch.einsum("bi,oi->bo", x, net.layer.weight),
    "addmm": lambda net, x: torch.addmm(net.layer.bias, x, net.layer.weight),
    "baddbmm": lambda net, x: torch.baddbmm(x[None], x[None], net.layer.weight[None])[0],
    "mv": lambda net, x: torch.mv(net.layer.weight, x[0])[None],
    "tensordot": lambda net, x: torch.tensordot(x, net.layer.weight, 1),
    "convolution": lambda net, x: functional.conv1d(x[:, :, None], net.layer.weight[:, :, None])[:, :, 0],
    "function of one's own": lambda net, x: Product.apply(x, net.layer.weight),
    "checkpoint": lambda net, x: checkpoint(net.layer, x, use_reentrant=False),
    "reentrant checkpoint": lambda net, x: checkpoint(net.layer, x, use_reentrant=True),
    "without torch's say": lambda net, x: torch._C._nn.linear(x, net.layer.weight),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_multiply_counts(way):
    analysis = analyze(Ways(WAYS[way]), (5,))
    assert analysis.multiply_adds == 25, rows(analysis)
    assert sum(row.own_parameters for row in analysis.rows) >= 25


def test_a_call_of_forward_keeps_the_layers_name():
    assert [row.name for row in analyze(Ways(WAYS["forward"]), (5,)).rows] == ["input", "layer"]
    module = Ways(WAYS["forward"])
    analyze(module, (5,))
    assert "forward" not in vars(module) and "forward" not in vars(module.layer)


@pytest.mark.parametrize(
    ("module", "size", "wanted"),
    [
        (nn.Conv1d(4, 6, 3, groups=2), (4, 10), 8 * 6 * 2 * 3),
        (nn.Conv3d(3, 2, 3), (3, 5, 5, 5), 27 * 2 * 81),
        (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (4, 5, 5), 25 * 4 * 3 * 9),
        (nn.Linear(3, 4).bfloat16(), (3,), 12),
        (nn.Conv2d(3, 4, 3).half(), (3, 8, 8), 36 * 4 * 27),
        (nn.Linear(3, 4).to(torch.complex64), (3,), 4 * 12),
        (nn.utils.parametrizations.weight_norm(nn.Linear(5, 6)), (5,), 30),
        (nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(5)), (3, 6, 6), 16 * 4 * 27 + 64 * 5),
        (nn.DataParallel(nn.Linear(5, 6)), (5,), 30),
        (nn.Bilinear(5, 6, 7), [(5,), (6,)], 5 * 6 * 7),
        (nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), (9, 16), 9 * (4 * 256 + 2 * 512) + 2 * 81 * 16),
        (nn.Embedding(10, 3), [torch.zeros(1, 4, dtype=torch.int64)], 0),
    ],
)
def test_layers_of_every_kind(module, size, wanted):
    assert analyze(module, size).multiply_adds == wanted


def test_grouped_queries_and_products_among_weights():
    class Grouped(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return functional.scaled_dot_product_attention(x, x[:, :2], x[:, :2], enable_gqa=True)

    assert analyze(Grouped(), (4, 6, 8)).multiply_adds == 4 * 6 * 6 * (8 + 8)

    class LowRank(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.left = nn.Parameter(torch.rand(6, 5)), nn.Parameter(torch.rand(6, 2))
            self.right = nn.Parameter(torch.rand(2, 5))

        def forward(self, x: Tensor) -> Tensor:
            return functional.linear(x, self.weight + self.left @ self.right)

    (_, layer) = analyze(LowRank(), (5,)).rows
    assert layer.multiply_adds == 30 + 6 * 2 * 5  # making the weight is part of using it


def test_what_leads_nowhere_is_told():
    class Auxiliary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.Linear(5, 5), nn.Linear(5, 9)

        def forward(self, x: Tensor) -> Tensor:
            self.head(x)
            return self.layer(x)

    analysis = analyze(Auxiliary(), (5,))
    assert analysis.multiply_adds == 25 and any("45 multiply-adds lead nowhere" in said for said in analysis.warnings)


# -- what cannot be counted ------------------------------------------------------------------------------

torch.library.define("netlens_test::doubled", "(Tensor x) -> Tensor")
torch.library.impl("netlens_test::doubled", "cpu", lambda x: 2 * x)

UNKNOWN = {
    "an extension": (lambda x: torch.ops.netlens_test.doubled(x), "netlens_test::doubled"),
    "an inverse": (lambda x: torch.linalg.inv(x), "linalg"),
    "a Fourier transform": (lambda x: torch.fft.fft2(x).real, "fft"),
    "a sparse matrix": (lambda x: torch.sparse.mm(torch.eye(5).to_sparse(), x[0])[None], "sparse"),
}


class Unknown(nn.Module):
    def __init__(self, what: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.what, self.layer = what, nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.what(x))


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_counted_is_said_and_never_zero(name):
    what, reason = UNKNOWN[name]
    analysis = analyze(Unknown(what), (5, 5))
    assert analysis.multiply_adds is None and analysis.counted == 75 and reason in analysis.uncounted
    unknown = [row for row in analysis.rows if row.multiply_adds is None]
    assert len(unknown) == 1 and reason in unknown[0].uncounted
    assert any("cannot be counted" in said and reason in said for said in analysis.warnings)
    data = as_data(analysis)
    assert data["totals"]["multiply_adds"] is None and data["counted_multiply_adds"] == 75
    (shown,) = [layer for layer in data["layers"] if layer["multiply_adds"] is None]
    assert reason in shown["multiply_adds_note"] and reason in data["uncounted"]
    (line,) = [line for line in csv.DictReader(io.StringIO(as_csv(analysis))) if line["multiply_adds_note"]]
    assert line["multiply_adds"] == "" and reason in line["multiply_adds_note"]
    assert "at least 75 multiply-adds" in totals_text(analysis) and reason in as_html(analysis)
    assert "?" in list(as_table(analysis).columns[6].cells)


def test_numbers_that_come_from_elsewhere_are_told():
    class Numpy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(5, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(torch.from_numpy(self.layer(x).numpy() @ torch.eye(5).numpy()))

    analysis = analyze(Numpy(), (5,))
    assert analysis.multiply_adds is None and analysis.counted == 50
    assert "did not come through torch's functions" in analysis.uncounted


def test_a_network_of_counted_layers_has_nothing_uncounted():
    analysis = analyze(Small(), (3, 16, 16))
    assert analysis.uncounted == "" and as_data(analysis)["uncounted"] is None
    assert f"{Small.wanted:,} multiply-adds" in totals_text(analysis)  # not "0.000 billion"


# -- shapes ----------------------------------------------------------------------------------------------


def test_channels_last_is_not_shuffled():
    with torch.device("meta"):
        module = torchvision.models.swin_t(weights=None)
    shown = {row.name: row for row in analyze(module, 224).rows}
    assert shown["features.0.0"].activations == "56x56x96" and shown["features.0.0"].shape == (96, 56, 56)
    for name in ("features.0.1.permute", "features.1.0.norm1", "features.1.0.add#2"):
        assert shown[name].activations == "56x56x96" and shown[name].shape == (56, 56, 96) and shown[name].channels == 2
    assert shown["features.0.1.permute"].description.endswith("channels now last")
    assert shown["features.1.0.mlp.0"].activations == "56x56x384"
    heads = shown["features.1.0.attn.matmul#2"]
    assert heads.activations == "3x49x32" and heads.channels is None  # heads, tokens, features: in the tensor's order


class Block(nn.Module):
    """Takes its channels last, as the blocks of Swin do."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.conv = nn.LayerNorm(6), nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.norm(x.relu()).permute(0, 3, 1, 2))


def test_an_inputs_channels_are_told_by_what_takes_it():
    analysis = analyze(Block(), images=-torch.rand(1, 9, 7, 6))
    assert [row.activations for row in analysis.rows] == ["9x7x6", "9x7x6", "9x7x6", "9x7x6", "9x7x4"]
    assert analysis.warnings == ("relu: 6 of 6 units never fire on the given images",)
    data = as_data(analysis)["layers"]
    assert (data[0]["shape"], data[0]["channel_axis"]) == ([9, 7, 6], 2)
    assert (data[-1]["shape"], data[-1]["channel_axis"]) == ([4, 9, 7], 0)


# -- learnables ------------------------------------------------------------------------------------------


def test_trainable_and_frozen_are_told_apart():
    module = Small()
    module.conv.requires_grad_(False)
    analysis = analyze(module, (3, 16, 16))
    assert (analysis.parameters, analysis.trainable, analysis.frozen) == (269, 45, 224)
    assert "269 learnables (45 trainable, 224 frozen)" in totals_text(analysis)
    data = as_data(analysis)
    assert (data["trainable_parameters"], data["frozen_parameters"]) == (45, 224)
    assert [(layer["trainable"], layer["frozen"]) for layer in data["layers"]][1] == (0, 224)
    assert "224 frozen" in as_html(analysis) and "224 frozen" in list(as_table(analysis).columns[5].cells)
    assert "frozen" not in totals_text(analyze(Small(), (3, 16, 16)))


def test_a_forward_that_ends_the_program_ends_in_an_error():
    class Exits(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            sys.exit(3)

    with pytest.raises(LayerError, match="ends the program"):
        analyze(Exits(), (3,))
