"""Pictures of a generator's work: many small images in one, and the course of the losses."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

CELL = 48  # pixels that a small image gets at least: digits of 8 px are hard to read


def grid(images: Tensor, columns: int = 12, gap: int = 2) -> Tensor:
    """Images (N, C, H, W) row by row in one picture (3, H', W'), enlarged without smoothing, white between them."""
    times = max(1, round(CELL / images.shape[-1]))
    cells = images.expand(-1, 3, -1, -1).repeat_interleave(times, 2).repeat_interleave(times, 3).cpu().clamp(0, 1)
    height, width = cells.shape[2] + gap, cells.shape[3] + gap
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    canvas = torch.ones(3, rows * height + gap, columns * width + gap)
    for place, cell in enumerate(cells):
        top, left = place // columns * height + gap, place % columns * width + gap
        canvas[:, top : top + cell.shape[1], left : left + cell.shape[2]] = cell
    return canvas


def loss_curves(history: list[dict[str, float]], width: int = 800, height: int = 400) -> Tensor:
    """The losses of both networks over the steps, faint and as a running mean: a picture (3, height, width)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 100, height / 100), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for name, color in (("generator", "#1b7f5c"), ("discriminator", "#c2571a")):
        losses = np.array([losses[name] for losses in history])
        window = max(1, len(losses) // 50)
        if not len(losses):
            continue
        axes.plot(losses, color=color, alpha=0.15, linewidth=0.5)
        smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
        axes.plot(np.arange(len(smooth)) + window // 2, smooth, color=color, label=name)
    axes.axhline(np.log(2), color="grey", linewidth=1, linestyle=":", label="neither ahead: log 2")
    if history:
        axes.set_ylim(0, 1.1 * max(np.percentile([v for step in history for v in step.values()], 99), np.log(2)))
    axes.set(xlabel="step", ylabel="loss")
    axes.legend(frameon=False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
