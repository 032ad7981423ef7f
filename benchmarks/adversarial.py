"""Adversarial images of netlens, torchattacks and foolbox: success after the 8-bit round trip, norms and time.

    python benchmarks/adversarial.py [--runs 5] [--flowers 20]

All attack the same networks with the same number of gradients for each image, in one process.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "weights"
if "TORCH_HOME" not in os.environ and _BESIDE.is_dir():
    os.environ["TORCH_HOME"] = str(_BESIDE)

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from netlens_core.daisies import draw_daisy  # noqa: E402
from netlens_core.images import to_8bit  # noqa: E402
from netlens_core.methods.adversarial import Goal, fgsm, minimal, pgd  # noqa: E402
from netlens_core.networks import Network, load_network, network_source  # noqa: E402

DAISY = 985
TIMED_FLOWERS, BATCH = 1, 5
PGD_STEPS, MINIMAL_STEPS = 10, 30
LEVELS = {"linf": 2.0, "l2": 0.6}  # radius of PGD; for L2 the root of the mean squared change
Run = Callable[[Tensor], Tensor]


class Wrapped(nn.Module):
    """The network as peers want it: a module that takes images in [0, 1] of the network's own size."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network, self.module = network, network.module

    def forward(self, images: Tensor) -> Tensor:
        if images.requires_grad and images.is_leaf:
            images.register_hook(Tensor.contiguous)  # torchattacks takes no other gradients
        return self.module(self.network.normalize(images))


@dataclass
class Row:
    task: str
    who: str
    run: Run
    minimal: str = ""  # the norm that is to be small, if any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--flowers", type=int, default=20)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(
        f"{options.flowers} flowers (seeds 0 to {options.flowers - 1}, 224 px) that must no longer be daisies; "
        f"in batches of {BATCH}. A step is "
        f"one gradient for each image: FGSM 1, PGD {PGD_STEPS}, minimal {MINIMAL_STEPS}; DeepFool takes one for "
        f"each of the categories that it "
        f"compares, so it gets {MINIMAL_STEPS // 5} steps of 5 candidates. Raw: success on the floating-point "
        f"images; 8-bit: on the "
        "image that a file would hold, and all norms are of that. Norms: median over all flowers, failures counted as "
        "infinite; L-infinity in levels of 255, L2 of pixels in [0, 1]. "
        "Stretched: the median once each perturbation is multiplied by the least factor with which it survives the "
        f"rounding. Seconds, with a last look whether the 8-bit image fools: median of {options.runs} for "
        f"{TIMED_FLOWERS} flower, all contestants in turn, "
        f"{torch.get_num_threads()} threads.\n"
    )
    said = []
    for name in ("efficientnet_lite0", "squeezenet1_1"):
        if network_source(name).available:
            said += compare(load_network(name, "cpu"), options.flowers, options.runs)
    print("\n".join(said))


def compare(network: Network, count: int, runs: int) -> list[str]:
    flowers = torch.stack([draw_daisy(seed).image for seed in range(count)])
    rows = contestants(network)
    print(f"### {network.name}\n")
    print("| attack | by | raw | 8-bit | L-infinity | L2 | stretched | s | ratio |\n" + "|" + " --- |" * 9)
    findings: list[str] = []
    for task in dict.fromkeys(row.task for row in rows):
        found = []
        same = [row for row in rows if row.task == task]
        seconds: dict[str, list[float]] = {row.who: [] for row in same}
        for _ in range(runs):
            for row in same:
                began = time.perf_counter()
                images = row.run(flowers[:TIMED_FLOWERS])
                if row.who != "netlens":  # which has asked the network already
                    fooled(network, to_8bit(images))
                seconds[row.who].append(time.perf_counter() - began)
        ours_s = statistics.median(seconds["netlens"])
        for row in same:
            print(f"{network.name}: {task}, {row.who}", file=sys.stderr, flush=True)
            torch.manual_seed(0)
            images = torch.cat([row.run(part) for part in flowers.split(BATCH)])
            seen = to_8bit(images)
            raw, kept = fooled(network, images), fooled(network, seen)
            change = (seen - flowers).flatten(1)
            linf, l2 = median(change.abs().amax(dim=1) * 255, kept), median(change.norm(dim=1), kept)
            stretched = stretch(network, images, flowers, row.minimal) if row.minimal and row.who != "netlens" else None
            s = statistics.median(seconds[row.who])
            print(
                f"| {task} | {row.who} | {int(raw.sum())} | {int(kept.sum())} | {shown(linf, 0)} | {shown(l2, 2)} | "
                f"{'' if stretched is None else shown(stretched, 0 if row.minimal == 'linf' else 2)} | {s:.2f} | "
                f"{s / ours_s:.1f} |",
                flush=True,
            )
            least = linf if row.minimal == "linf" else l2
            found.append((row, int(kept.sum()), min(least, stretched or math.inf), s))
        findings.append(finding(network.name, task, found, count))
    print()
    return findings


def contestants(network: Network) -> list[Row]:
    import foolbox
    import torchattacks

    module = Wrapped(network).eval()
    model = foolbox.PyTorchModel(module, bounds=(0, 1), device=network.device)
    goal = Goal(DAISY)

    def labels(images: Tensor) -> Tensor:
        return torch.full((len(images),), DAISY)

    def theirs(attack: object, epsilon: float | None = None) -> Run:
        def run(images: Tensor) -> Tensor:
            if epsilon is None and not hasattr(attack, "set_mode_default"):
                return attack(model, images, labels(images), epsilons=None)[1]  # type: ignore[operator]
            if epsilon is not None:
                return attack(model, images, labels(images), epsilons=epsilon)[1]  # type: ignore[operator]
            return attack(images, labels(images))  # type: ignore[operator]

        return run

    box, steps = foolbox.attacks, MINIMAL_STEPS
    step_share = 2.5 / PGD_STEPS  # of the radius, as Madry et al. advise
    far, length = LEVELS["linf"] / 255, LEVELS["l2"] / 255 * math.sqrt(3 * network.input_size**2)
    pgd_linf, pgd_l2 = f"PGD, L-infinity {LEVELS['linf']:.0f}", f"PGD, L2 {length:.2f}"
    return [
        Row("FGSM, L-infinity 4", "netlens", lambda x: fgsm(network, x, goal, levels=4).images),
        Row("FGSM, L-infinity 4", "torchattacks", theirs(torchattacks.FGSM(module, eps=4 / 255))),
        Row("FGSM, L-infinity 4", "foolbox", theirs(box.LinfFastGradientAttack(), 4 / 255)),
        Row(pgd_linf, "netlens", lambda x: pgd(network, x, goal, "linf", LEVELS["linf"], PGD_STEPS).images),
        Row(pgd_linf, "torchattacks", theirs(torchattacks.PGD(module, far, far * step_share, PGD_STEPS))),
        Row(pgd_linf, "foolbox", theirs(box.LinfPGD(rel_stepsize=step_share, steps=PGD_STEPS), far)),
        Row(pgd_l2, "netlens", lambda x: pgd(network, x, goal, "l2", LEVELS["l2"], PGD_STEPS).images),
        Row(pgd_l2, "torchattacks", theirs(torchattacks.PGDL2(module, length, length * step_share, PGD_STEPS))),
        Row(pgd_l2, "foolbox", theirs(box.L2PGD(rel_stepsize=step_share, steps=PGD_STEPS), length)),
        Row("minimal L-infinity", "netlens", lambda x: minimal(network, x, goal, "linf", steps).images, "linf"),
        Row("minimal L-infinity", "foolbox FMN", theirs(box.LInfFMNAttack(steps=steps)), "linf"),
        Row(
            "minimal L-infinity",
            "foolbox DeepFool",
            theirs(box.LinfDeepFoolAttack(steps=steps // 5, candidates=6)),
            "linf",
        ),
        Row("minimal L2", "netlens", lambda x: minimal(network, x, goal, "l2", steps).images, "l2"),
        Row("minimal L2", "foolbox DDN", theirs(box.DDNAttack(steps=steps)), "l2"),
        Row("minimal L2", "foolbox FMN", theirs(box.L2FMNAttack(steps=steps)), "l2"),
        Row("minimal L2", "torchattacks CW", theirs(torchattacks.CW(module, steps=steps)), "l2"),
    ]


def fooled(network: Network, images: Tensor) -> Tensor:
    return network.probabilities(images).argmax(dim=1) != DAISY


def stretch(network: Network, images: Tensor, flowers: Tensor, norm: str) -> float:
    """Median norm once each perturbation is stretched just so far that it fools as an 8-bit image; at most 8 times."""
    low, high = torch.zeros(len(images)), torch.full((len(images),), 8.0)
    for _ in range(9):
        middle = (low + high) / 2
        survives = fooled(network, to_8bit(flowers + middle.view(-1, 1, 1, 1) * (images - flowers)))
        low, high = torch.where(survives, low, middle), torch.where(survives, middle, high)
    seen = to_8bit(flowers + high.view(-1, 1, 1, 1) * (images - flowers))
    change = (seen - flowers).flatten(1)
    return median(change.abs().amax(dim=1) * 255 if norm == "linf" else change.norm(dim=1), fooled(network, seen))


def median(values: Tensor, counted: Tensor) -> float:
    return statistics.median(torch.where(counted, values, math.inf).tolist())


def shown(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "∞"


def finding(network: str, task: str, found: list[tuple[Row, int, float, float]], count: int) -> str:
    """One sentence: success, norm and time of netlens against the best peer in each."""
    _, ours, norm, seconds = found[0]
    best = max(success for _, success, _, _ in found[1:])
    quickest = min(found[1:], key=lambda row: row[3])
    words = f"fools with {ours} of {count} 8-bit images, the best peer with {best}"
    if found[0][0].minimal:
        digits = 0 if found[0][0].minimal == "linf" else 2
        least = min(size for _, _, size, _ in found[1:])
        words += (
            f"; median norm {shown(norm, digits)} against {shown(least, digits)} of the best peer, stretched if need be"
        )
    size = f", with a norm of {shown(quickest[2], 2)}," if found[0][0].minimal else ""
    return (
        f"- {network}, {task}: netlens {words}; the quickest peer ({quickest[0].who}{size.rstrip(',')}) takes "
        f"{quickest[3] / seconds:.1f} times as long."
    )


if __name__ == "__main__":
    main()
