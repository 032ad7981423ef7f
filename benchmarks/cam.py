"""Maps of netlens and of pytorch-grad-cam: agreement and time; and what the maps are worth.

python benchmarks/cam.py [--runs 5] [--flowers 20]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
if "TORCH_HOME" not in os.environ and (ROOT.parent / "shared" / "weights").is_dir():
    os.environ["TORCH_HOME"] = str(ROOT.parent / "shared" / "weights")

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from gallery.cam import composite  # noqa: E402
from netlens_core.daisies import Daisy, draw_daisy  # noqa: E402
from netlens_core.measures.saliency import (  # noqa: E402
    correlation,
    deletion_curve,
    energy_inside,
    insertion_curve,
    randomization_check,
)
from netlens_core.methods.cam import class_activation_map, feature_layer, grad_cam, occlusion  # noqa: E402
from netlens_core.networks import Network, load_network, network_source  # noqa: E402

DAISY = 985
WORTH_FLOWERS = 3  # for deletion, insertion and randomisation, which take many passes
Make = Callable[[Network, Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--flowers", type=int, default=20)
    options = parser.parse_args()
    flowers = [draw_daisy(seed) for seed in range(options.flowers)]
    names = ("efficientnet_lite0", "squeezenet1_1")
    networks = [load_network(name, "cpu") for name in names if network_source(name).available]
    networks.append(alexnet(networks[0].categories))
    findings = agreement(networks, flowers, options.runs)
    findings += worth(networks[:-1], flowers[:WORTH_FLOWERS])
    print("\n".join(findings))


def alexnet(categories: tuple[str, ...]) -> Network:
    import torchvision

    torch.manual_seed(0)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return Network("alexnet, random weights", torchvision.models.alexnet(), categories, 224, mean, std)


def peers(network: Network) -> dict[str, Make]:
    """pytorch-grad-cam on the same layer and the same frozen weights."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    layer, targets = network.module.get_submodule(feature_layer(network)), [ClassifierOutputTarget(DAISY)]

    def theirs(_network: Network, image: Tensor) -> Tensor:
        pixels = network.normalize(image[None]).requires_grad_(True)  # or nothing would carry a gradient
        with GradCAM(network.module, [layer]) as cam:
            return torch.from_numpy(cam(pixels, targets)[0])

    return {"pytorch-grad-cam": theirs}


def agreement(networks: list[Network], flowers: list[Daisy], runs: int) -> list[str]:
    print(
        f"Grad-CAM of daisy on {len(flowers)} flowers, 224 px, the last feature maps. Seconds: median of {runs} "
        f"for one "
        f"image, in turn, {torch.get_num_threads()} threads; pytorch-grad-cam gets frozen weights too.\n"
    )
    print("| network | layer | least correlation | netlens, ms | pytorch-grad-cam, ms | ratio | a classification, ms |")
    print("|" + " --- |" * 7)
    findings = []
    for network in networks:
        print(f"agreement: {network.name}", file=sys.stderr, flush=True)
        contestants: dict[str, Make] = {
            "netlens": lambda network, image: grad_cam(network, image, DAISY),
            **peers(network),
            "classification": lambda network, image: network.probabilities(image),
        }
        least, seconds = 1.0, {who: [] for who in contestants}  # type: ignore[var-annotated]
        for flower in flowers:
            ours, theirs = (contestants[who](network, flower.image) for who in ("netlens", "pytorch-grad-cam"))
            least = min(least, correlation(ours, theirs))
        for run in range(runs + 1):  # the first warms up
            for who, make in contestants.items():
                began = time.perf_counter()
                make(network, flowers[run % len(flowers)].image)
                seconds[who].append(time.perf_counter() - began)
        ours_s, theirs_s, plain_s = (1000 * statistics.median(found[1:]) for found in seconds.values())
        print(
            f"| {network.name} | `{feature_layer(network)}` | {least:.5f} | {ours_s:.0f} | {theirs_s:.0f} | "
            f"{theirs_s / ours_s:.1f} | {plain_s:.0f} |",
            flush=True,
        )
        findings.append(
            f"- {network.name}: the maps agree to {least:.5f} at the least; pytorch-grad-cam takes "
            f"{theirs_s / ours_s:.1f} times as long, a classification {plain_s / ours_s:.1f} times."
        )
    print()
    return findings


def worth(networks: list[Network], flowers: list[Daisy]) -> list[str]:
    print(
        f"What maps are worth, means over {len(flowers)} flowers: share of the map on the flower (the flower's "
        f"share of the "
        "picture: "
        f"{statistics.mean(float(flower.flower.float().mean()) for flower in flowers):.2f}), area under deletion "
        f"(small is "
        "good) and insertion (large is good). Beside them two maps that know nothing of the network: edges, and a "
        "spot in "
        "the middle. Then, on a daisy beside a traffic light, the share of either category's map on its own side "
        "and the "
        "correlation of the two maps; and the correlation with the trained network's map once all weights are "
        "shuffled.\n"
    )
    print("| network | map | on the flower | deletion | insertion | own side: daisy, light | two maps | all shuffled |")
    print("|" + " --- |" * 8)
    findings = []
    scene = composite()
    left = torch.zeros(scene.shape[1:], dtype=torch.bool)
    left[:, :224] = True
    methods: dict[str, Callable[[Network, Tensor, str], Tensor]] = {
        "CAM": class_activation_map,
        "Grad-CAM": grad_cam,
        "occlusion": occlusion,
        "edges": lambda _network, image, _category: edges(image),
        "a spot": lambda _network, image, _category: spot(image),
    }
    for network in networks:
        found: dict[str, tuple[float, float]] = {}
        for name, make in methods.items():
            print(f"worth: {network.name}, {name}", file=sys.stderr, flush=True)
            heats = [make(network, flower.image, "daisy") for flower in flowers]
            inside = statistics.mean(energy_inside(h, f.flower) for h, f in zip(heats, flowers, strict=True))
            gone, come = (
                statistics.mean(
                    curve(network, f.image, h, DAISY, points=17).area for h, f in zip(heats, flowers, strict=True)
                )
                for curve in (deletion_curve, insertion_curve)
            )
            daisy, light = (make(network, scene, category) for category in ("daisy", "traffic light"))
            alike = correlation(daisy, light)
            image = flowers[0].image
            shuffled = randomized_fully(network, lambda n, make=make, image=image: make(n, image, "daisy"))
            print(
                f"| {network.name} | {name} | {inside:.2f} | {gone:.2f} | {come:.2f} | "
                f"{energy_inside(daisy, left):.2f}, "
                f"{energy_inside(light, ~left):.2f} | {alike:.2f} | {shuffled:.2f} |",
                flush=True,
            )
            found[name] = (alike, shuffled)
        blind = [name for name, (alike, shuffled) in found.items() if alike > 0.9 and shuffled > 0.9]
        findings.append(
            f"- {network.name}: neither the category nor the weights matter to {' and '.join(blind) or 'no map'}; "
            f"Grad-CAM's two maps correlate by {found['Grad-CAM'][0]:.2f}, and by {found['Grad-CAM'][1]:.2f} with what "
            "shuffled weights give."
        )
    print()
    return findings


def randomized_fully(network: Network, explain: Callable[[Network], Tensor]) -> float:
    """Correlation with the trained network's map when every layer is random."""
    return randomization_check(explain, network, stages=2)[-1].correlation


def edges(image: Tensor) -> Tensor:
    grey = nn.functional.pad(image.mean(dim=0)[None, None], (1, 1, 1, 1), mode="replicate")
    across, down = (grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2], grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1])
    return torch.hypot(across, down)[0, 0]


def spot(image: Tensor) -> Tensor:
    height, width = image.shape[1:]
    y, x = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)[None]
    return torch.exp(-(x**2 + y**2) / (2 * 0.4**2))


if __name__ == "__main__":
    main()
