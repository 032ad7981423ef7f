"""The analyser tells the classic table to the letter, copes with every kind of module, and names what is wrong."""

from __future__ import annotations

import base64
import csv
import io
import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
import torchinfo
import torchvision
from torch import Tensor, nn

from netlens_core.daisies import draw_daisy
from netlens_core.images import load_image
from netlens_core.methods.analysis import Analysis, LayerError, analyze
from netlens_core.methods.analysis.layout import lay_out
from netlens_core.methods.analysis.page import as_html, filter_picture
from netlens_core.methods.analysis.tables import as_csv, as_data, as_table, totals_text

# -- the classic table -----------------------------------------------------------------------------------


def classic_table() -> list[tuple[str, str, str, str, str]]:
    """MATLAB's table of SqueezeNet at 227 x 227, written out from the architecture (Iandola et al. 2016)."""

    def convolution(name: str, size: int, channels: int, filters: int, side: int, stride: int = 1, padding: int = 0):
        kernel = f"{size}x{size}x{channels}"
        said = f"{filters} {kernel} convolutions with stride [{stride} {stride}] and padding " + str([padding] * 4)
        said = said.replace(",", "")
        learnables = f"Weights {kernel}x{filters} Bias 1x1x{filters}"
        return name, "Convolution", said, f"{side}x{side}x{filters}", learnables

    def relu(name: str, side: int, channels: int):
        return name, "ReLU", "ReLU", f"{side}x{side}x{channels}", "-"

    def pool(name: str, padding: str, side: int, channels: int):
        said = f"3x3 max pooling with stride [2 2] and padding {padding}"
        return name, "Max Pooling", said, f"{side}x{side}x{channels}", "-"

    def fire(number: int, channels: int, squeeze: int, expand: int, side: int):
        yield convolution(f"fire{number}-squeeze1x1", 1, channels, squeeze, side)
        yield relu(f"fire{number}-relu_squeeze1x1", side, squeeze)
        for size in (1, 3):
            yield convolution(f"fire{number}-expand{size}x{size}", size, squeeze, expand, side, padding=size // 2)
            yield relu(f"fire{number}-relu_expand{size}x{size}", side, expand)
        joined = f"{side}x{side}x{2 * expand}"
        yield f"fire{number}-concat", "Depth concatenation", "Depth concatenation of 2 inputs", joined, "-"

    return [
        ("data", "Image Input", "227x227x3 images with 'zerocenter' normalization", "227x227x3", "-"),
        convolution("conv1", 3, 3, 64, 113, stride=2),
        relu("relu_conv1", 113, 64),
        pool("pool1", "[0 0 0 0]", 56, 64),
        *fire(2, 64, 16, 64, 56),
        *fire(3, 128, 16, 64, 56),
        pool("pool3", "[0 1 0 1]", 28, 128),
        *fire(4, 128, 32, 128, 28),
        *fire(5, 256, 32, 128, 28),
        pool("pool5", "[0 1 0 1]", 14, 256),
        *fire(6, 256, 48, 192, 14),
        *fire(7, 384, 48, 192, 14),
        *fire(8, 384, 64, 256, 14),
        *fire(9, 512, 64, 256, 14),
        ("drop9", "Dropout", "50% dropout", "14x14x512", "-"),
        convolution("conv10", 1, 512, 1000, 14),
        relu("relu_conv10", 14, 1000),
        ("pool10", "Global Average Pooling", "Global average pooling", "1x1x1000", "-"),
        ("prob", "Softmax", "softmax", "1x1x1000", "-"),
        (
            "ClassificationLayer_predictions",
            "Classification Output",
            "crossentropyex with 'tench' and 999 other classes",
            "-",
            "-",
        ),
    ]


@pytest.fixture(scope="module")
def classic(squeezenet) -> Analysis:
    return analyze(squeezenet, 227)


def test_squeezenet_at_227_is_the_classic_table(classic):
    ours = [(row.name, row.type, row.description, row.activations, row.learnables) for row in classic.rows]
    assert ours == classic_table()
    assert len(ours) == 68 and [row.number for row in classic.rows] == list(range(1, 69))
    assert classic.parameters == 1_235_496 and not classic.warnings


def test_what_the_lecture_shows(classic):
    shown = {row.name: (row.activations, row.learnables) for row in classic.rows}
    assert shown["conv1"] == ("113x113x64", "Weights 3x3x3x64 Bias 1x1x64")
    assert shown["fire2-squeeze1x1"] == ("56x56x16", "Weights 1x1x64x16 Bias 1x1x16")


def test_branches_and_costs(classic):
    rows = {row.name: row for row in classic.rows}
    numbers = {row.number: row.name for row in classic.rows}
    assert [numbers[n] for n in rows["fire2-concat"].inputs] == ["fire2-relu_expand1x1", "fire2-relu_expand3x3"]
    assert numbers[rows["fire2-expand3x3"].inputs[0]] == "fire2-relu_squeeze1x1"
    assert rows["conv1"].multiply_adds == 113 * 113 * 64 * 3 * 3 * 3
    assert rows["conv1"].memory == 4 * 113 * 113 * 64 and rows["relu_conv1"].memory == 0  # works in place
    assert rows["conv1"].field.stride == (2, 2) and rows["conv10"].field.size == (207, 207)


def test_alexnet_has_its_classic_names():
    torch.manual_seed(0)
    rows = analyze(torchvision.models.alexnet(weights=None), 227).rows
    names = [row.name for row in rows]
    for name in ("conv1", "relu1", "pool1", "conv5", "pool5", "drop6", "fc6", "relu6", "fc8"):
        assert names.count(name) == 1, names
    assert {row.name: row.learnables for row in rows}["fc6"] == "Weights 4096x9216 Bias 4096x1"


# -- any module ------------------------------------------------------------------------------------------


class Residual(nn.Module):
    """Shares one ReLU and one convolution, adds, multiplies, and pools by a function."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.shared = nn.Conv2d(8, 8, 3, padding=1)
        self.relu = nn.ReLU()
        self.scale = nn.Parameter(torch.ones(1, 8, 1, 1))
        self.unused = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        x = x + self.relu(self.shared(self.shared(x)))
        x = x * self.scale
        return nn.functional.avg_pool2d(x, 2).mean(dim=(2, 3))


def test_residuals_shared_modules_and_functions():
    analysis = analyze(Residual(), (3, 16, 16))
    names = [row.name for row in analysis.rows]
    assert names == ["input", "stem", "relu", "shared", "shared#2", "relu#2", "add", "mul", "avg_pool2d", "mean"]
    rows = {row.name: row for row in analysis.rows}
    assert rows["add"].inputs == (3, 6) and rows["add"].type == "Addition"
    assert rows["shared#2"].parameters == 584 and rows["shared#2"].own_parameters == 0
    assert rows["mul"].parameters == 8
    assert analysis.parameters == 3 * 8 * 9 + 8 + 584 + 8 + 16 + 25
    assert analysis.warnings == ("unused: 41 parameters that nothing uses on the way to the output",)
    assert rows["add"].field.size == (7, 7) and rows["avg_pool2d"].field.size == (8, 8)


class DataDependent(nn.Module):
    """Halves its input until it is small, which symbols cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        while x.abs().sum() > 1:
            x = torch.tanh(self.layer(x)) / 2 if x.mean() > 1e9 else x / 2
        return self.layer(x)


def test_control_flow_that_depends_on_the_data():
    with pytest.raises(torch.fx.proxy.TraceError):
        torch.fx.symbolic_trace(DataDependent())
    few = analyze(DataDependent(), images=torch.full((1, 6), 0.3)).rows
    many = analyze(DataDependent(), images=torch.full((1, 6), 3.0)).rows
    assert [row.name for row in few] == ["input", "div", "layer"]
    assert len(many) > len(few) and many[-1].name == "layer"


class Several(nn.Module):
    def forward(self, a: Tensor, b: dict[str, Tensor] | Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(b, Tensor)
        return torch.cat([a, b], dim=1), a


def test_several_inputs_and_outputs():
    rows = analyze(Several(), images=(torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 4, 4))).rows
    assert [row.type for row in rows] == ["Image Input", "Image Input", "Depth concatenation"]
    assert rows[2].inputs == (1, 2)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_0", "googlenet"])
def test_parameters_and_multiply_adds_agree_with_torchinfo(name):
    torch.manual_seed(0)
    extra = {"init_weights": False} if name == "googlenet" else {}
    module = torchvision.models.get_model(name, weights=None, **extra).eval()
    analysis = analyze(module, 96)
    theirs = torchinfo.summary(module, (1, 3, 96, 96), verbose=0, depth=9)
    assert analysis.parameters == theirs.total_params
    # torchinfo also multiplies biases; the share of the weights alone is equal.
    convolutions = [layer for layer in theirs.summary_list if layer.class_name == "Conv2d"]
    ours = [row.multiply_adds for row in analysis.rows if "Convolution" in row.type]
    assert len(ours) == len(convolutions)
    assert sum(ours) == pytest.approx(
        sum(layer.macs * weights_share(layer.module) for layer in convolutions), rel=1e-12
    )


def weights_share(layer: nn.Conv2d) -> float:
    weights = layer.weight.numel()
    return weights / (weights + (0 if layer.bias is None else layer.bias.numel()))


class Unusual(nn.Module):
    """Weights made from parameters, and writing into its own activations."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        y[:, :2] = 0
        y += 1
        return y.clamp_(min=0)


def test_weights_made_from_parameters_and_writing_in_place():
    analysis = analyze(Unusual(), (3, 10, 10))
    assert [row.name for row in analysis.rows] == ["input", "layer", "setitem", "add", "clamp"]
    assert [row.inputs for row in analysis.rows] == [(), (1,), (2,), (3,), (4,)]
    assert analysis.rows[1].parameters == analysis.parameters == 4 * 27 + 4 + 4 and not analysis.warnings
    assert analysis.rows[1].field.size == (3, 3) and "<svg" in as_html(analysis)


def test_attention_is_counted():
    module = nn.MultiheadAttention(32, 4, batch_first=True)
    tokens = torch.zeros(1, 10, 32)
    rows = analyze(module, images=(tokens, tokens, tokens)).rows
    projections, products = 4 * 10 * 32 * 32, 2 * 10 * 10 * 32
    assert sum(row.multiply_adds for row in rows) == projections + products
    (attention,) = [row for row in rows if row.type == "Multi-head attention"]
    assert attention.parameters == sum(p.numel() for p in module.parameters())


def test_a_module_in_training_stays_as_it_was():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    before = {key: value.clone() for key, value in module.state_dict().items()}
    analyze(module, 16)
    assert module.training and all(part.training for part in module)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert not module[0]._forward_hooks and not module[0]._forward_pre_hooks


def test_efficientnet_counts_all_and_pads_as_tensorflow(lite0):
    analysis = analyze(lite0)
    assert analysis.parameters == 4_652_008 == sum(row.own_parameters for row in analysis.rows)
    rows = {row.name: row for row in analysis.rows}
    assert rows["conv_stem.pad"].description == "padding [0 1 0 1]"
    assert rows["blocks.0.0.conv_dw"].type == "Grouped Convolution"
    assert rows["blocks.0.0.conv_dw"].learnables == "Weights 3x3x1x1x32"
    # Every activation has the size that the network itself gives.
    image = draw_daisy(1).image
    for name in ("conv_stem", "blocks.1.1.conv_dw", "blocks.4.2.conv_pwl"):
        channels, height, width = lite0.activations(image, name).shape
        assert rows[name].activations == f"{height}x{width}x{channels}"


# -- what is wrong ---------------------------------------------------------------------------------------


def test_units_that_never_fire_and_filters_of_zeros():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 1), nn.ReLU6())
    with torch.no_grad():
        module[0].bias[:2], module[0].weight[3] = -1000, 0
        module[0].bias[3] = 1
        module[2].weight.abs_()
        module[2].bias.fill_(0.1)
    images = torch.rand(4, 3, 12, 12)
    said = analyze(module, images=images).warnings
    fired = (module[:2](images).amax(dim=(0, 2, 3)) > 0).sum()
    assert f"1: {6 - fired} of 6 units never fire on the given images" in said and fired <= 4
    assert "0: 1 of 6 filters is all zero" in said and len(said) == 2
    assert [w for w in analyze(module, 12).warnings if "fire" in w] == []  # nobody asked


def test_a_shape_error_is_told_at_its_layer(squeezenet):
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(100, 10))
    with pytest.raises(
        LayerError, match=r"^3 \(layer 5, linear\) fails: it is given 1x1x784, .*Weights 10x100"
    ) as told:
        analyze(module, 16)
    assert told.value.layer == "3" and [row.name for row in told.value.rows] == ["input", "0", "1", "2"]
    with pytest.raises(LayerError, match=r"last is pool5 with 1x1x256|last is \S+ with|pool") as small:
        analyze(squeezenet, 8)
    assert "\n" not in str(small.value)


class Broken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x))
        return x[{"no": 1}["key"]]


def test_an_error_of_the_module_itself_is_told_too():
    with pytest.raises(LayerError, match=r"the network's forward \(layer 4\) fails: KeyError: 'key'; the 3 rows"):
        analyze(Broken(), 8)


def test_sizes_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match="size"):
        analyze(nn.ReLU())
    with pytest.raises(ValueError, match="at least one"):
        analyze(nn.ReLU(), (3, 0, 4))


# -- shown -----------------------------------------------------------------------------------------------


def test_json_and_csv_hold_the_table(classic):
    data = json.loads(json.dumps(as_data(classic)))
    assert [layer["name"] for layer in data["layers"]] == [row.name for row in classic.rows]
    assert data["totals"] == {
        "layers": 68,
        "parameters": 1_235_496,
        "multiply_adds": sum(layer["multiply_adds"] for layer in data["layers"]),
        "memory_bytes": sum(layer["memory_bytes"] for layer in data["layers"]),
    }
    read = list(csv.DictReader(io.StringIO(as_csv(classic))))
    assert [row["name"] for row in read] == [row.name for row in classic.rows]
    assert read[1]["learnables"] == "Weights 3x3x3x64 Bias 1x1x64" and read[1]["effective_stride"] == "2"


def test_the_terminal_table_and_the_totals(classic):
    from rich.console import Console

    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(as_table(classic))
    shown = console.export_text()
    assert "fire9-relu_expand3x3" in shown and "113x113x64" in shown and "3.12 MiB" in shown
    narrow = Console(width=80, file=io.StringIO(), record=True)
    narrow.print(as_table(classic, wide=False))
    shown = narrow.export_text()
    assert all(f" {row.name} " in shown for row in classic.rows[:-1]) and "113x113x64" in shown
    assert totals_text(classic).startswith("68 layers, 1,235,496 learnables, 0.388 billion multiply-adds")


def test_the_layout_keeps_boxes_apart_and_lines_downwards(classic):
    layout = lay_out([(row.number, row.inputs) for row in classic.rows])
    assert len(layout.lines) == sum(len(row.inputs) for row in classic.rows)
    by_rank: dict[int, list[float]] = {}
    for x, rank in layout.places.values():
        by_rank.setdefault(rank, []).append(x)
    for places in by_rank.values():
        ordered = sorted(places)
        assert all(b - a >= 1 - 1e-6 for a, b in itertools.pairwise(ordered))
    for line in layout.lines:
        assert [rank for _, rank in line] == list(range(line[0][1], line[-1][1] + 1))


def test_filters_show_what_the_weights_are():
    weight = torch.zeros(4, 3, 2, 2)
    weight[1, 0, 0, 1], weight[2, 2, 1, 0] = 2.0, -1.0
    picture, said = filter_picture(weight)
    assert picture.shape == (3, 6, 6) and "4 of 4 filters, in colour" in said
    assert picture[0, 0, 4] == 1 and picture[1, 0, 4] == 0.5  # red and nothing else
    assert picture[2, 4, 0] == 0.25
    grey, said = filter_picture(torch.randn(10, 50, 3, 3), most=24 * 9 * 5)
    assert grey.shape == (5 * 4, 24 * 4) and said == "5 of 10 filters, a filter a row: 24 of its 50 slices"
    matrix, _ = filter_picture(torch.randn(4096, 9216))
    assert matrix.numel() <= 40_000


def test_the_page_stands_alone_and_holds_the_filters(classic, tmp_path):
    page = as_html(classic)
    assert len(page) < 5_000_000
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//|@import|url\(""", page)
    assert page.count('<tr data-layer="') == page.count('<g data-layer="') == 68
    layers = json.loads(re.search(r"const layers = (.*);\n", page)[1])
    pictured = [layer["name"] for layer in layers if layer["picture"]]
    assert pictured == [row.name for row in classic.rows if row.type == "Convolution"]
    image = load_image(base64.b64decode(layers[1]["picture"]["data"]))
    weight = classic.module.features[0].weight
    wanted = filter_picture(weight)[0]
    torch.testing.assert_close(image, wanted, atol=0.003, rtol=0)


def test_names_cannot_break_out_of_the_page():
    module = nn.Sequential()
    module.add_module("</script><img src=x onerror=alert(1)>", nn.ReLU())
    page = as_html(analyze(module, 4))
    assert "<img src=x" not in page and page.count("</script>") == 1


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium here to open the page with")
def test_search_and_hover_in_a_browser(classic, tmp_path):
    hover = (
        """<script>document.querySelector('tr[data-layer="2"]').dispatchEvent(new MouseEvent("mouseenter"))</script>"""
    )
    page = tmp_path / "page.html"
    page.write_text(as_html(classic).replace("</body>", f"{hover}</body>"))
    seen = browsed(f"{page.as_uri()}#fire9 3x3", tmp_path)
    assert "2 of 68 layers" in seen or "3 of 68 layers" in seen
    assert len(re.findall(r'<tr data-layer="\d+" class="missed"', seen)) >= 60
    card = re.search(r'<aside id="card">.*?</aside>', seen, re.DOTALL)
    assert card, "hovering shows no card"
    assert "conv1" in card[0] and "64 of 64 filters, in colour" in card[0] and 'src="data:image/png;base64,' in card[0]


def browsed(address: str, folder: Path) -> str:
    """The page's document after its scripts have run."""
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", f"--user-data-dir={folder / 'profile'}"]
    command = [str(CHROMIUM), "--headless", *quiet, "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    return done.stdout
