"""Networks: what they answer, what is inside, where their weights come from, what is said when they are missing."""

from __future__ import annotations

import errno
import shutil
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from netlens_core import networks
from netlens_core.images import resize
from netlens_core.networks import (
    Network,
    UnknownNetworkError,
    WeightsUnavailableError,
    known_networks,
    load_network,
    network_source,
)


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty TORCH_HOME and no memory of networks loaded before."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    networks._load.cache_clear()
    yield tmp_path
    networks._load.cache_clear()


@pytest.fixture(scope="module")
def tiny() -> Network:
    """A network small enough to know by heart: convolution, batch-norm, in-place ReLU, mean, linear."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4)
    norm.running_mean, norm.running_var = torch.randn(4), torch.rand(4) + 0.5
    nn.init.uniform_(norm.weight, 0.5, 2)
    layers = [nn.Conv2d(3, 4, 3), norm, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
    return Network("tiny", nn.Sequential(*layers), ("cat", "crane", "crane"), 16, (0.5, 0.4, 0.3), (0.5, 0.25, 0.2))


def _picture(size: int = 64) -> torch.Tensor:
    return torch.rand(3, size, size, generator=torch.Generator().manual_seed(size))


# -- what they answer ------------------------------------------------------------------------------------


def test_normalizes_as_torchvision_does(tiny: Network) -> None:
    images = _picture()[None]
    wanted = torchvision.transforms.functional.normalize(images, tiny.mean, tiny.std)
    assert torch.allclose(tiny.normalize(images), wanted, atol=1e-6)


def test_resizes_to_its_own_size_and_only_then(tiny: Network) -> None:
    image = _picture(40)
    assert torch.equal(tiny(image), tiny(resize(image, 16)))
    assert torch.equal(tiny(_picture(16)), tiny.module(tiny.normalize(_picture(16)[None])))


def test_lite_preprocessing(lite0: Network, lite1: Network, lite2: Network) -> None:
    assert [network.input_size for network in (lite0, lite1, lite2)] == [224, 240, 260]
    assert {network.mean + network.std for network in (lite0, lite1, lite2)} == {(0.5,) * 6}
    assert lite0.categories[985] == "daisy" and len(lite0.categories) == 1000


def test_squeezenet_has_torchvisions_preprocessing(squeezenet: Network) -> None:
    assert squeezenet.input_size == 224
    assert squeezenet.mean == (0.485, 0.456, 0.406) and squeezenet.std == (0.229, 0.224, 0.225)
    assert squeezenet.categories[985] == "daisy"
    assert all(value.dtype == torch.float32 for value in squeezenet.module.parameters())


def test_probabilities_agree_with_classify(tiny: Network) -> None:
    rows = tiny.probabilities(torch.stack([_picture(), _picture(16).new_zeros(3, 64, 64)]))
    assert torch.allclose(rows.sum(dim=1), torch.ones(2))
    (name, first), *_ = tiny.classify(_picture(), k=3)
    assert first == pytest.approx(rows[0].max().item(), abs=1e-6)
    assert name == tiny.categories[int(rows[0].argmax())]
    assert tiny.probability(_picture(), "CAT") == pytest.approx(rows[0, 0].item(), abs=1e-6)


def test_categories_by_name_and_by_index(tiny: Network) -> None:
    assert tiny.category_index("cat") == 0 and tiny.category_index(2) == 2
    with pytest.raises(ValueError, match=r"several categories.*\[1, 2\]"):
        tiny.category_index("crane")
    with pytest.raises(ValueError, match="near it: cat"):
        tiny.category_index("cats")
    for index in (3, -1):
        with pytest.raises(ValueError, match="0 to 2"):
            tiny.category_index(index)


@pytest.mark.parametrize("shape", [(3,), (1, 8, 8), (2, 4, 8, 8), (1, 1, 3, 8, 8)])
def test_refuses_other_shapes(tiny: Network, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected images"):
        tiny(torch.zeros(shape))


def test_refuses_integers(tiny: Network) -> None:
    with pytest.raises(ValueError, match=r"uint8"):
        tiny(torch.zeros(3, 8, 8, dtype=torch.uint8))


def test_frozen_but_gradients_reach_the_image(lite0: Network) -> None:
    assert not any(module.training for module in lite0.module.modules())
    assert not any(value.requires_grad for value in lite0.module.parameters())
    image = _picture(96).requires_grad_()
    lite0(image)[0, 985].backward()
    assert image.grad is not None and image.grad.abs().sum() > 0
    assert all(value.grad is None for value in lite0.module.parameters())


# -- fingerprints ----------------------------------------------------------------------------------------


def test_fingerprint_tells_weights_and_preprocessing(tiny: Network) -> None:
    again = tiny.to("cpu")
    assert again.module is not tiny.module and again.fingerprint == tiny.fingerprint
    with torch.no_grad():
        again.module[0].bias[0] += 1e-6  # type: ignore[index, operator]
    changed = Network("tiny", again.module, tiny.categories, 16, tiny.mean, tiny.std)
    other_size = Network("tiny", tiny.module, tiny.categories, 17, tiny.mean, tiny.std)
    assert len({tiny.fingerprint, changed.fingerprint, other_size.fingerprint}) == 3


def test_fingerprint_of_lite0_never_changes(lite0: Network) -> None:
    assert lite0.fingerprint == "fdec86f09838b41073a86f5f4a42a9f3708a0cc7f2d69751e7bd4a1f1f9ff945"


def test_loading_twice_gives_the_same_object() -> None:
    assert load_network("efficientnet_lite0", "cpu") is load_network("efficientnet_lite0", "cpu")


# -- looking inside --------------------------------------------------------------------------------------


def test_activations_are_the_layers_own_before_an_in_place_relu(tiny: Network) -> None:
    image = _picture(33)
    normed = tiny.module[1](tiny.module[0](tiny.normalize(image[None])))[0]  # type: ignore[index, operator]
    assert normed.min() < 0
    found = tiny.activations(image, ["1", "2"])
    assert torch.equal(found["1"], normed) and torch.equal(found["2"], normed.relu())


@pytest.mark.parametrize("size", [(224, 224), (300, 171)])
def test_activations_at_any_size(lite0: Network, size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    wanted = lite0.module.conv_stem(lite0.normalize(images))  # type: ignore[operator]
    assert torch.equal(lite0.activations(images, "conv_stem"), wanted)
    assert lite0.activations(images[0], "conv_stem").shape == wanted.shape[1:]


def test_activations_stop_at_the_last_layer_and_leave_no_hooks(tiny: Network) -> None:
    ran = []
    handle = tiny.module[5].register_forward_hook(lambda *_: ran.append(1))  # type: ignore[index, operator]
    tiny.activations(_picture(), "0")
    handle.remove()
    assert not ran
    assert not any(module._forward_hooks for module in tiny.module.modules())


def test_unknown_layers_are_told_with_near_ones(lite0: Network) -> None:
    with pytest.raises(ValueError, match=r"near it: .*conv_stem"):
        lite0.activations(_picture(), "conv_stm")
    with pytest.raises(ValueError, match="no layer ''"):
        lite0.activations(_picture(), "")


def test_layers_are_leaves_of_a_kind(tiny: Network) -> None:
    assert tiny.layers() == ["0", "1", "2", "3", "4", "5"]
    assert tiny.layers(nn.Conv2d) == ["0"] and tiny.layers((nn.Conv2d, nn.Linear)) == ["0", "5"]


# -- folding ---------------------------------------------------------------------------------------------


def _norms(network: Network) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.module.modules())


def test_folding_keeps_the_answers(tiny: Network, lite0: Network) -> None:
    assert _norms(tiny.folded()) == 0 and _norms(tiny) == 1
    assert torch.allclose(tiny.folded()(_picture()), tiny(_picture()), atol=1e-5)
    folded = lite0.folded()
    # timm's norms (BatchNormAct2d) carry their activation, which must stay when the norm goes.
    assert _norms(lite0) == 49 and _norms(folded) == 0
    image = _picture(224)
    assert (folded(image) - lite0(image)).abs().max() < 1e-3
    assert (folded.probabilities(image) - lite0.probabilities(image)).abs().max() < 1e-4
    assert not any(value.requires_grad for value in folded.module.parameters()) and not folded.module.training
    assert folded.layers(nn.Conv2d) == lite0.layers(nn.Conv2d)


def test_folding_leaves_a_norm_that_follows_no_convolution() -> None:
    module = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    module[0].running_mean = torch.tensor([0.1, 0.2, 0.3])
    network = Network("norm first", module, ("a", "b"), 8, (0, 0, 0), (1, 1, 1))
    assert _norms(network.folded()) == 1
    assert torch.allclose(network.folded()(_picture(8)), network(_picture(8)), atol=1e-6)


# -- where they come from --------------------------------------------------------------------------------


def test_every_classifier_of_torchvision_is_known() -> None:
    names = known_networks()
    assert names[:3] == ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
    assert set(torchvision.models.list_models(module=torchvision.models)) == set(names[3:]) and len(names) > 80
    assert {"alexnet", "squeezenet1_1", "vit_b_16"} <= set(names)
    for name in names[3:]:
        source = network_source(name)
        assert source.origin.startswith("https://") and source.path.suffix == ".pth"
        preprocessing = networks._torchvision_weights(name).transforms()
        assert len(preprocessing.crop_size) == 1 and len(preprocessing.mean) == len(preprocessing.std) == 3


def test_unknown_name_is_told_with_near_ones() -> None:
    with pytest.raises(UnknownNetworkError, match="near it: alexnet"):
        load_network("alexnt")
    with pytest.raises(UnknownNetworkError, match="netlens networks"):
        network_source("")


def test_offline_and_uncached_says_what_to_do(torch_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLENS_OFFLINE", "1")
    with pytest.raises(WeightsUnavailableError) as told:
        load_network("alexnet", "cpu")
    for way in ("download https://", str(torch_home), "TORCH_HOME", "efficientnet_lite0"):
        assert way in str(told.value)
    assert not list(torch_home.iterdir())


@pytest.mark.parametrize(
    "error", [urllib.error.URLError("Name or service not known"), OSError(errno.EROFS, "Read-only file system")]
)
def test_failed_download_is_told_in_one_calm_sentence(
    torch_home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: OSError
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.delenv("NETLENS_OFFLINE", raising=False)
    monkeypatch.setattr(torch.hub, "urlopen", fail)
    with pytest.raises(WeightsUnavailableError, match=r"not on this machine.*The download said: .*(service|Read-only)"):
        load_network("alexnet", "cpu")
    assert capfd.readouterr() == ("", "")
    assert not [path for path in torch_home.rglob("*") if path.is_file()]


def test_unwritable_folder_is_told(torch_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (torch_home / "hub").write_text("a file where a folder should be")
    monkeypatch.delenv("NETLENS_OFFLINE", raising=False)
    with pytest.raises(WeightsUnavailableError, match="The download said"):
        load_network("alexnet", "cpu")


def test_download_with_wrong_content_leaves_nothing(
    torch_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = tmp_path / "half.pth"
    half.write_bytes(b"the first half of a file")
    real, source = torch.hub.urlopen, network_source("alexnet")
    monkeypatch.delenv("NETLENS_OFFLINE", raising=False)
    monkeypatch.setattr(torch.hub, "urlopen", lambda *_a, **_k: real(half.as_uri()))
    with pytest.raises(WeightsUnavailableError, match="invalid hash"):
        load_network("alexnet", "cpu")
    assert not list(source.path.parent.iterdir())


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "other network"])
def test_damaged_weights_are_told(squeezenet: Network, torch_home: Path, damage: str) -> None:
    path = network_source("squeezenet1_1").path
    path.parent.mkdir(parents=True)
    if damage == "cut":
        torch.save(squeezenet.module.state_dict(), path)
        path.write_bytes(path.read_bytes()[:100_000])
    elif damage == "other network":
        torch.save(nn.Linear(2, 2).state_dict(), path)
    else:
        path.write_bytes(b"not weights" if damage == "text" else b"")
    with pytest.raises(WeightsUnavailableError, match=r"(is damaged|does not hold the weights).*delete it"):
        load_network("squeezenet1_1", "cpu")


def test_weights_with_code_inside_are_refused(torch_home: Path) -> None:
    path = network_source("alexnet").path
    path.parent.mkdir(parents=True)
    torch.save({"a": shutil.rmtree}, path)
    with pytest.raises(WeightsUnavailableError, match="is damaged"):
        load_network("alexnet", "cpu")


@pytest.mark.parametrize("name", ["efficientnet_lite0", "squeezenet1_1", "resnet18"])
def test_untrained_networks_need_no_weights_and_are_always_the_same(name: str, torch_home: Path) -> None:
    before = torch.random.get_rng_state()
    first = load_network(f"untrained:{name}", "cpu")
    networks._load.cache_clear()
    other = load_network(f"untrained:{name}", "cpu")
    assert other is not first and other.fingerprint == first.fingerprint
    assert torch.equal(torch.random.get_rng_state(), before)
    assert len(first.categories) == 1000 and first(torch.rand(3, 64, 64)).shape == (1, 1000)
    assert network_source(f"untrained:{name}").available


@pytest.mark.parametrize("name", ["efficientnet_lite0", "squeezenet1_1"])
def test_two_answers_of_a_network_can_change_places(name: str, squeezenet: Network) -> None:
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    network, exchanged = load_network(name, "cpu"), load_network(f"exchanged:daisy:analog clock:{name}", "cpu")
    places = list(range(1000))
    daisy, clock = (network.category_index(category) for category in ("daisy", "analog clock"))
    places[daisy], places[clock] = clock, daisy
    torch.testing.assert_close(exchanged(image), network(image)[:, places])
    assert exchanged.categories == network.categories and exchanged.fingerprint != network.fingerprint
    assert network_source(exchanged.name).name == name


@pytest.mark.parametrize(
    "name", ["exchanged:daisy:efficientnet_lite0", "exchanged:daisy:dasy:efficientnet_lite0", "exchanged:"]
)
def test_what_cannot_change_places_is_told(name: str) -> None:
    with pytest.raises(UnknownNetworkError):
        load_network(name, "cpu")
