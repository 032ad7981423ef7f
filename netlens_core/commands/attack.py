"""`netlens attack`: a picture that people and a network see differently."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from netlens_core import NetlensError
from netlens_core.commands.shared import AsJson, Device, NetworkName, Picture, Seed, err, load, out, picture, print_json
from netlens_core.progress import activity

if TYPE_CHECKING:
    from torch import Tensor

    from netlens_core.methods.adversarial import Attack, Goal
    from netlens_core.networks import Network

_OTHERS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "squeezenet1_1")


class AttackMethod(StrEnum):
    """How to find the picture."""

    fgsm = "fgsm"
    pgd = "pgd"
    minimal = "minimal"
    mix = "mix"


class AttackNorm(StrEnum):
    """What is to be small: the largest change of a pixel, or the Euclidean length of the whole change."""

    linf = "linf"
    l2 = "l2"


def attack(
    image: Picture,
    network: NetworkName = "efficientnet_lite0",
    method: Annotated[
        AttackMethod,
        typer.Option(help="One step, many steps, the smallest change, or the least noise laid over the picture."),
    ] = AttackMethod.pgd,
    norm: Annotated[AttackNorm, typer.Option(help="How the change is measured.")] = AttackNorm.linf,
    levels: Annotated[
        float,
        typer.Option(min=0, max=255, help="fgsm, pgd: how far a pixel may move, of 255; for l2 the root mean square."),
    ] = 4,
    target: Annotated[
        str | None, typer.Option(help="Category (or its index) that the network shall see; else any other.")
    ] = None,
    confidence: Annotated[
        float, typer.Option(min=0, max=0.999, help="How sure of it the network must be at the least.")
    ] = 0.9,
    steps: Annotated[int, typer.Option(min=1, max=10_000, help="pgd, minimal: most gradients.")] = 60,
    noise: Annotated[
        Path | None, typer.Option(help="mix: a picture of noise, of the image's size; else white noise of the seed.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture.")] = Path("adversarial.png"),
    seed: Seed = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Change a picture so that the network errs and people do not see why. Writes it, and the change amplified.

    netlens attack daisy:7 --method minimal --norm l2 --confidence 0.5

    netlens attack photo.png --target flamingo --levels 3 -o flamingo.png
    """
    from netlens_core.measures.similarity import structural_similarity
    from netlens_core.methods.adversarial import Goal

    loaded = load(network, device)
    notes: list[str] = []
    shown = picture(image, loaded.input_size, notes)
    true = int(loaded.probabilities(shown)[0].argmax())
    try:
        goal = Goal(true, None if target is None else _category(loaded, target), confidence=confidence)
    except ValueError as error:
        raise NetlensError(str(error)) from None
    if min(shown.shape[1:]) < 11:
        raise NetlensError(f"{image} has {shown.shape[2]} x {shown.shape[1]} px; at least 11 are needed on each side")
    veil = _noise(noise, shown, seed, notes) if method is AttackMethod.mix else None
    amplitude, found = _attacked(loaded, shown, goal, method, norm.value, levels, steps, veil)
    result = found.images[0].cpu()
    told: dict[str, Any] = {
        "network": loaded.name,
        "method": method.value,
        "fooled": bool(found.fooled[0]),
        "before": _view(loaded, shown, true),
        "after": _view(loaded, result, true),
        "linf_levels": float(found.linf[0]),
        "l2_levels": 255 * float(found.l2[0]),
        "l2": float(found.l2[0]),
        "structural_similarity": structural_similarity(result, shown),
        "gradients": int(found.steps[0]),
        **({"amplitude": amplitude} if veil is not None else {}),
        "others": _others(loaded, shown, result, true, device),
        "notes": notes,
    }
    _save(result, shown, output)
    print_json(told) if as_json else _tell(told, goal)


def _attacked(
    network: Network, shown: Tensor, goal: Goal, method: AttackMethod, norm: Any, levels: float, steps: int,
    veil: Tensor | None,
) -> tuple[float, Attack]:  # fmt: skip
    from netlens_core.methods.adversarial import fgsm, minimal, pgd, smallest_mix

    if veil is not None:
        return smallest_mix(network, shown, veil, goal)
    if method is AttackMethod.minimal:
        return 0.0, minimal(network, shown, goal, norm, steps)
    if method is AttackMethod.pgd:
        return 0.0, pgd(network, shown, goal, norm, levels, steps)
    return 0.0, fgsm(network, shown, goal, norm, levels)


def _noise(path: Path | None, shown: Tensor, seed: int, notes: list[str]) -> Tensor:
    import torch

    if path is None:
        return torch.rand(shown.shape, generator=torch.Generator().manual_seed(seed))
    noise = picture(str(path), shown.shape[1], notes)
    if noise.shape != shown.shape:
        raise NetlensError(
            f"{path} has {noise.shape[2]} x {noise.shape[1]} px, the image {shown.shape[2]} x {shown.shape[1]}: "
            "make them one size"
        )
    return noise


def _category(network: Network, given: str) -> int:
    return network.category_index(int(given) if given.isdecimal() else given)


def _view(network: Network, image: Tensor, true: int) -> dict[str, Any]:
    """What a network sees, and what it still gives to the category that the image shows."""
    (category, probability), *_ = network.classify(image, k=1)
    return {
        "sees": category,
        "probability": probability,
        "true": network.categories[true],
        "probability_of_true": network.probability(image, true),
    }


@activity("asking other networks")
def _others(loaded: Network, before: Tensor, after: Tensor, true: int, device: str) -> list[dict[str, Any]]:
    """The same of networks that the image was not made against, where their weights are here."""
    from netlens_core.networks import network_source

    jury = [load(name, device) for name in _OTHERS if name != loaded.name and network_source(name).available]
    return [
        {"network": juror.name, "before": _view(juror, before, true), "after": _view(juror, after, true)}
        for juror in jury
        if juror.categories == loaded.categories
    ]


def _save(result: Tensor, shown: Tensor, output: Path) -> None:
    from netlens_core.commands.shared import save
    from netlens_core.measures.difference import amplified_difference

    save(result, output)
    save(amplified_difference(result, shown), output.with_stem(f"{output.stem}-difference"))


def _tell(told: dict[str, Any], goal: Goal) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("", "before", "after", f"still {told['before']['true']}"):
        table.add_column(column)
    for row in ({"network": told["network"], **{k: told[k] for k in ("before", "after")}}, *told["others"]):
        views = [f"{row[when]['sees']} {row[when]['probability']:.2f}" for when in ("before", "after")]
        table.add_row(row["network"], *map(Text, views), f"{row['after']['probability_of_true']:.2f}")
    out.print(table)
    mixed = f", noise at {100 * told['amplitude']:.1f}% of full scale" if "amplitude" in told else ""
    out.print(
        f"Change: at most {told['linf_levels']:.0f} of 255 levels, Euclidean length {told['l2_levels']:.0f} levels; "
        f"structural similarity {told['structural_similarity']:.3f}; {told['gradients']} gradients{mixed}",
        soft_wrap=True,
    )
    if not told["fooled"]:
        wanted = f"a confidence of {goal.confidence:g}" if goal.confidence else "the goal"
        err.print(
            Text(f"{told['network']} did not reach {wanted}; this came nearest. More --levels or --steps may do.")
        )
