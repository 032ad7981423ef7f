"""Dreams of a daisy: ours against torch-lucent and against plain ascent in pixels, on the same network.

    python benchmarks/dream.py [--runs N] [--network NAME] [--steps N] [--no-large]

Each run has a seed of its own, the three take turns, one thread. torch-lucent gets the same frozen network, its own
defaults (Fourier, 224 px, standard transforms, Adam 0.05) and twice as many steps as we take, and is stopped on the way
to see what it has at our number of steps and at our time. "Until it is sure" is the time after which the target gives
the daisy 0.99 on the 8-bit image, seen every fourth step.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from netlens_core.measures.color import colorfulness
from netlens_core.measures.robustness import robust_logit
from netlens_core.measures.spectrum import energy_above
from netlens_core.methods.dream import Fourier, Parametrisation, Pixels, contrast, dream, logit, still
from netlens_core.networks import Network, load_network, network_source

EVERY, SURE = 4, 0.99
JURY = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "squeezenet1_1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--steps", type=int, default=160, help="of ours; torch-lucent takes twice as many")
    parser.add_argument("--no-large", action="store_true", help="leave the dreams of 448 px out")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    beside = Path(__file__).resolve().parents[2] / "shared" / "weights"
    if "TORCH_HOME" not in os.environ and beside.is_dir():
        os.environ["TORCH_HOME"] = str(beside)
    torch.set_num_threads(1)
    network = load_network(options.network, "cpu")
    jury = [load_network(n, "cpu") for n in JURY if n != options.network and network_source(n).available]
    climbs: dict[str, list[Climb]] = {}
    for seed in range(options.runs):
        print(f"run {seed + 1} of {options.runs} …", file=sys.stderr, flush=True)
        climbs.setdefault(OURS, []).append(ours(network, seed, 224, options.steps))
        climbs.setdefault(LUCENT, []).append(lucent(network, seed, 224, 2 * options.steps))
        climbs.setdefault(PLAIN, []).append(plain(network, seed, options.steps))
        if not options.no_large:
            climbs.setdefault(LARGE, []).append(ours(network, seed, 448, options.steps))
            climbs.setdefault(LARGE_LUCENT, []).append(lucent(network, seed, 448, 8))
    print("\n".join(written(network, jury, climbs)))


# -- climbs, watched ------------------------------------------------------------------------------------

OURS, LUCENT, PLAIN = "ours", "torch-lucent", "plain ascent in pixels"
LARGE, LARGE_LUCENT = "ours, 448 px", "torch-lucent, 448 px"


@dataclass
class Climb:
    """What a climb went through: the image before every fourth step, and the clock then, from its start."""

    steps: int
    seconds: float
    seen: list[tuple[float, Tensor]]
    image: Tensor

    def after(self, steps: int) -> Tensor:
        return self.seen[steps // EVERY][1] if steps // EVERY < len(self.seen) else self.image

    def seconds_until_sure(self, network: Network) -> float:
        """Infinite where it never is; asked after the climb, so that the asking costs it nothing."""
        for seconds, image in [*self.seen, (self.seconds, self.image)]:
            if network.probability(eight_bits(image), "daisy") >= SURE:
                return seconds
        return float("inf")


def eight_bits(image: Tensor) -> Tensor:
    return (image.clamp(0, 1) * 255).round() / 255


class Watch:
    """Notes the clock and the image at every fourth call."""

    def __init__(self) -> None:
        self.began, self.calls, self.seen = time.perf_counter(), 0, []

    def note(self, image: Tensor) -> Tensor:
        if self.calls % EVERY == 0:
            self.seen.append((time.perf_counter() - self.began, image.detach().view(3, *image.shape[-2:])))
        self.calls += 1
        return image


class Watched:
    """A parametrisation of ours that is watched."""

    def __init__(self, inner: Parametrisation, watch: Watch) -> None:
        self.numbers, self.planes, self.planes_of = inner.numbers, inner.planes, inner.planes_of
        self.finer = inner.finer
        self.image = lambda planes: watch.note(inner.image(planes))


def ours(network: Network, seed: int, size: int, steps: int) -> Climb:
    watch = Watch()
    objective = logit("daisy") - 10 * contrast()
    image = dream(network, objective, size, parametrisation=Watched(Fourier(), watch), steps=steps, seed=seed)
    return Climb(steps, time.perf_counter() - watch.began, watch.seen, image)


def plain(network: Network, seed: int, steps: int) -> Climb:
    """Grey pixels, the whole image as the one view, and nothing else."""
    watch = Watch()
    pixels = Watched(Pixels(), watch)
    image = dream(
        network, logit("daisy"), parametrisation=pixels, transformation=still(), steps=steps, rate=0.02, seed=seed
    )
    return Climb(steps, time.perf_counter() - watch.began, watch.seen, image)


def lucent(network: Network, seed: int, size: int, steps: int) -> Climb:
    render, param, objectives, transform = patched_lucent()
    torch.manual_seed(seed)
    np.random.seed(seed)
    watch = Watch()

    def image() -> tuple[list[Tensor], object]:
        params, draw = param.image(size)
        calls = [0]

        def watched() -> Tensor:
            calls[0] += 1  # the first asks for the shape, the last for the result
            return draw() if calls[0] in (1, steps + 2) else watch.note(draw())

        return params, watched

    drawn = render.render_vis(
        copy.deepcopy(network.module),  # torch-lucent leaves its hooks behind
        objectives.channel("labels", network.category_index("daisy")),
        image,
        transforms=[*transform.standard_transforms, network.normalize],
        thresholds=(steps,),
        preprocess=False,
        progress=False,
        show_image=False,
    )
    seconds = time.perf_counter() - watch.began
    return Climb(steps, seconds, watch.seen, torch.from_numpy(drawn[0][0]).permute(2, 0, 1).contiguous())


def patched_lucent():  # type: ignore[no-untyped-def]
    """torch-lucent 0.1.8 calls two functions where kornia had them before 0.7: they are put back there."""
    import kornia
    from kornia.geometry import transform as moved

    for name in ("get_rotation_matrix2d", "warp_affine"):
        if not hasattr(kornia, name):
            setattr(kornia, name, getattr(moved, name))
    from lucent.optvis import objectives, param, render, transform

    return render, param, objectives, transform


# -- what they made -------------------------------------------------------------------------------------


def written(network: Network, jury: list[Network], climbs: dict[str, list[Climb]]) -> list[str]:
    runs, steps = len(climbs[OURS]), climbs[OURS][0].steps
    shown = {
        f"{OURS}, {steps} steps": (climbs[OURS], steps),
        f"{LUCENT}, {steps} steps": (climbs[LUCENT], steps),
        f"{LUCENT}, {2 * steps} steps": (climbs[LUCENT], 2 * steps),
        f"{PLAIN}, {steps} steps": (climbs[PLAIN], steps),
    }
    if LARGE in climbs:
        shown[f"{LARGE}, {steps} steps"] = (climbs[LARGE], steps)
    rows = {name: measured(network, jury, *what) for name, what in shown.items()}
    names = ", ".join(j.name for j in jury)
    lines = [
        f"Dreams of a daisy on {network.name}, medians of {runs} seeds, one thread. Transfer: the median probability "
        f"of the daisy on {names}; below it the range over the seeds. Robust logit: over six fixed views.",
        "",
        "| | daisy, target | transfer | range | robust logit | colourfulness | energy above 1/4 | ms a step | s | "
        "s until the target is sure |",
        "|" + " --- |" * 10,
    ]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row['own']:.2f} | {row['transfer']:.2f} | {row['least']:.2f} to {row['most']:.2f} | "
            f"{row['robust']:.1f} | {row['color']:.0f} | {row['energy']:.2f} | {row['step_ms']:.0f} | "
            f"{row['seconds']:.1f} | {row['sure']:.2f} |"
        )
    mine, theirs, longer = list(rows.values())[:3]
    grey = rows[f"{PLAIN}, {steps} steps"]
    lines += [
        "",
        f"- A step of ours takes {mine['step_ms'] / theirs['step_ms']:.2f} times torch-lucent's, the way to a "
        f"probability of {SURE} {mine['sure'] / theirs['sure']:.2f} times.",
    ]
    for other, taken in ((theirs, steps), (longer, 2 * steps)):
        verdict = "more than" if mine["transfer"] > other["transfer"] else "no more than"
        lines.append(
            f"- Transfer: {mine['transfer']:.2f} in {mine['seconds']:.1f} s, {verdict} torch-lucent's "
            f"{other['transfer']:.2f} after {taken} steps in {other['seconds']:.1f} s."
        )
    lines.append(
        f"- Plain ascent is as sure ({grey['own']:.2f}) and means nothing to others ({grey['transfer']:.2f}); "
        f"its colourfulness is {grey['color']:.0f}, ours {mine['color']:.0f}."
    )
    if LARGE in climbs:
        per_step = median(c.seconds / c.steps for c in climbs[LARGE_LUCENT]) * 1000
        large = rows[f"{LARGE}, {steps} steps"]
        lines.append(f"- 448 px: {large['step_ms']:.0f} ms a step against torch-lucent's {per_step:.0f} (8 steps).")
    return lines


def measured(network: Network, jury: list[Network], climbs: list[Climb], steps: int) -> dict[str, float]:
    images = [eight_bits(climb.after(steps)) for climb in climbs]
    transfers = [median(juror.probability(image, "daisy") for juror in jury) for image in images]
    return {
        "own": median(network.probability(image, "daisy") for image in images),
        "transfer": median(transfers),
        "least": min(transfers),
        "most": max(transfers),
        "robust": median(robust_logit(network, image, "daisy") for image in images),
        "color": median(colorfulness(image) for image in images),
        "energy": median(energy_above(image) for image in images),
        "step_ms": median(climb.seconds / climb.steps for climb in climbs) * 1000,
        "seconds": median(climb.seconds * steps / climb.steps for climb in climbs),
        "sure": median(climb.seconds_until_sure(network) for climb in climbs),
    }


if __name__ == "__main__":
    main()
