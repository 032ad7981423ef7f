"""Small trusted networks in whose features images are compared: the place of Inception-v3 in the FID, but for a CPU.

    network = classifier_features(images, labels)     # where there are labels: trained on the spot, from a seed
    network = lite_features(images)                   # else: EfficientNet-Lite0, trained on ImageNet

A generator never sees them, so it cannot learn to please them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from netlens_core.images import resize
from netlens_core.networks import load_network
from netlens_core.progress import activity

FEATURES = 32  # of a trained classifier
_LITE_LAYER, _LITE_SIZE = "blocks.4", 64
_LITE_DIRECTIONS, _LITE_REFERENCES = 8, 1000


@dataclass(frozen=True, eq=False)
class FeatureNetwork:
    """A network that turns images (N, C, H, W) in [0, 1] into features, and into probabilities where it knows classes.

    Attributes:
        name: what it is, in words.
        accuracy: share of held-out images that it classifies rightly; None where it was not told any.
    """

    name: str
    accuracy: float | None
    _features: Callable[[Tensor], Tensor]
    _classify: Callable[[Tensor], Tensor] | None = None

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Features (N, D) of images (N, C, H, W), float32 on the CPU."""
        return torch.cat([self._features(part).float().cpu() for part in images.split(256)])

    def probabilities(self, images: Tensor) -> Tensor | None:
        """Probabilities (N, classes) of images (N, C, H, W); None where the network knows no classes."""
        if self._classify is None:
            return None
        with torch.no_grad():
            return self._classify(self.features(images)).softmax(1)


@activity("training a classifier to measure with")
def classifier_features(
    images: Tensor, labels: Tensor, held_out: tuple[Tensor, Tensor] | None = None, steps: int = 300, seed: int = 0
) -> FeatureNetwork:
    """A convolutional classifier trained on labelled images: seconds on a CPU, and the same one for the same seed.

    Args:
        images: (N, C, H, W) in [0, 1], H and W at least 8.
        labels: (N,), whole numbers from 0 on.
        held_out: images and labels to tell the accuracy on.

    The features are the 32 values before the last layer. Noise and shifts by a pixel are trained away, so that the
    features are about shapes. Raises ValueError for other shapes.
    """
    if images.dim() != 4 or min(images.shape[2:]) < 8 or labels.shape != images.shape[:1]:
        raise ValueError(f"expected images (N, C, H, W) and labels (N,), not {tuple(images.shape)}")
    images, labels = images.cpu().float(), labels.cpu()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        body, head = _body(images.shape[1], min(images.shape[2:])), nn.Linear(FEATURES, int(labels.max()) + 1)
        weights = [*body.parameters(), *head.parameters()]
        optimizer = torch.optim.AdamW(weights, lr=2e-3)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.01, steps)
        for _ in range(steps):
            chosen = torch.randint(len(images), (128,))
            rows, columns = torch.randint(-1, 2, (2,)).tolist()
            batch = images[chosen].roll((rows, columns), (2, 3))
            batch = batch + 0.05 * torch.randn(batch.shape)
            loss = functional.cross_entropy(head(body(batch)), labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    body.eval().requires_grad_(False)
    head.requires_grad_(False)
    network = FeatureNetwork(
        "a classifier trained on these images", None, lambda x: body(x.cpu().float()), lambda f: head(f)
    )
    if held_out is None:
        return network
    probabilities = network.probabilities(held_out[0])
    assert probabilities is not None
    accuracy = float((probabilities.argmax(1) == held_out[1].cpu()).float().mean())
    return FeatureNetwork(network.name, accuracy, network._features, network._classify)


def _body(channels: int, side: int) -> nn.Sequential:
    """Convolutions that halve the image until 2 pixels are left, then 32 features."""
    layers: list[nn.Module] = []
    width = 32
    while side >= 4:
        shrink = side > 8  # large images are made small first: most of the time is spent there
        layers.append(nn.Conv2d(channels, width, 4 if shrink else 3, stride=2 if shrink else 1, padding=1))
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        layers += [] if shrink else [nn.MaxPool2d(2)]
        channels, width, side = width, min(2 * width, 96), side // 2
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, FEATURES), nn.ReLU())


@activity("loading a network to measure with")
def lite_features(reference: Tensor, device: str = "cpu") -> FeatureNetwork:
    """EfficientNet-Lite0, halfway up, averaged over the picture, in the eight directions in which images vary most.

    Args:
        reference: real images (N, C, H, W) in [0, 1], at least 9, grey or coloured, that tell the directions (their
            principal components).

    Images are brought to 64 px: about a millisecond each on one core. All 112 features would judge too harshly: with
    noise that nobody sees (3% of full scale) a set of real daisies had precision 0.00 and a Fréchet distance above that
    of a set without one of its two colours; in eight directions 0.44 and below. Raises WeightsUnavailableError.
    """
    network = load_network("efficientnet_lite0", device).folded()

    def features(images: Tensor) -> Tensor:
        coloured = images.expand(-1, 3, -1, -1).float()
        found: Tensor = network.activations(resize(coloured, _LITE_SIZE), _LITE_LAYER)
        return found.mean(dim=(2, 3))

    all_features = FeatureNetwork("", None, features).features(reference[:_LITE_REFERENCES])
    if len(all_features) <= _LITE_DIRECTIONS:
        raise ValueError(f"{len(all_features)} images are too few to tell in what they vary")
    mean = all_features.mean(0)
    directions = torch.linalg.svd(all_features - mean, full_matrices=False).Vh[:_LITE_DIRECTIONS].T
    return FeatureNetwork(
        "EfficientNet-Lite0, 8 principal features", None, lambda x: (features(x).cpu() - mean) @ directions
    )
