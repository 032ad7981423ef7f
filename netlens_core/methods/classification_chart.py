"""Rankings as a picture: bars to scale beside the image, one panel a network."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from netlens_core.images import load_image
from netlens_core.methods.classification import Ranking


@dataclass(frozen=True)
class Panel:
    """What one network says: its name, its ranking, the calibrated probabilities of the same categories, if known."""

    title: str
    ranking: Ranking
    calibrated: tuple[float, ...] | None
    chance: float


def chart(image: Tensor, panels: Sequence[Panel]) -> Tensor:
    """The image (3, H, W) and a panel a network with bars from 0 to 1: a picture (3, H', W')."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.0 + 3.6 * len(panels), 2.7), dpi=100, layout="constrained")
    axes = figure.subplots(1, 1 + len(panels), width_ratios=[2.4, *[3.6] * len(panels)], squeeze=False)[0]
    axes[0].imshow(image.detach().cpu().clamp(0, 1).permute(1, 2, 0).numpy())
    axes[0].set_axis_off()
    for axis, panel in zip(axes[1:], panels, strict=True):
        _draw(axis, panel)
    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor="white", transparent=False)
    return torch.clone(load_image(file.getvalue()))


def _draw(axis, panel: Panel) -> None:  # type: ignore[no-untyped-def]
    places = list(range(len(panel.ranking)))
    raw = [probability for _, probability in panel.ranking]
    thick = 0.38 if panel.calibrated else 0.7
    axis.barh(
        [p - thick / 2 if panel.calibrated else p for p in places], raw, thick, color="#3b76b0", label="as it says"
    )
    if panel.calibrated:
        axis.barh([p + thick / 2 for p in places], panel.calibrated, thick, color="#e09f3e", label="calibrated")
        axis.legend(loc="lower right", fontsize=7, frameon=False)
    for place, value in enumerate(raw):
        high = max(value, panel.calibrated[place] if panel.calibrated else 0)
        inside = high > 0.8
        axis.text(
            high + (-0.02 if inside else 0.02),
            place,
            f"{value:.1%}" + (f" / {panel.calibrated[place]:.1%}" if panel.calibrated else ""),
            ha="right" if inside else "left",
            va="center",
            fontsize=8,
            color="white" if inside else "black",
        )
    axis.axvline(panel.chance, color="#b03a2e", linewidth=1)
    axis.set(xlim=(0, 1), title=panel.title)
    axis.set_xlabel(f"probability (red: chance, {panel.chance:.1%})", fontsize=7)
    axis.title.set_fontsize(9)
    axis.set_yticks(places, [name if len(name) < 22 else f"{name[:20]}…" for name, _ in panel.ranking], fontsize=8)
    axis.tick_params(axis="x", labelsize=7)
    axis.invert_yaxis()
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
