"""The pictures of docs/methods/classification.md."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from matplotlib.figure import Figure
from torch import Tensor

from netlens_core.daisies import draw_daisy
from netlens_core.images import load_image
from netlens_core.measures.calibration import expected_calibration_error
from netlens_core.methods.classification import fit_temperature, ranking
from netlens_core.methods.classification_chart import Panel, chart
from netlens_core.networks import load_network

NAMES = ("efficientnet_lite0", "efficientnet_lite2", "squeezenet1_1")


def pictures() -> Iterator[tuple[str, Tensor]]:
    networks = [load_network(name) for name in NAMES]
    for name, image in (("daisy", draw_daisy(7).image), ("half", half())):
        panels = []
        for network in networks:
            ranked = ranking(network, network.probabilities(image)[0], 5)
            panels.append(Panel(network.name, ranked, None, 1 / len(network.categories)))
        yield name, chart(image, panels)
    yield "temperature", reliability()


def half() -> Tensor:
    """A daisy whose petals are painted over with one green: only its disc is left."""
    daisy = draw_daisy(7)
    image = daisy.image.clone()
    meadow = draw_daisy(8).image
    image[:, daisy.petals] = meadow.mean(dim=(1, 2))[:, None] * 0.8
    return image


def reliability() -> Tensor:
    """Confidence against accuracy where the truth is known: labels drawn at temperature 2, before and after fitting."""
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(8000, 12, generator=generator)
    labels = torch.multinomial((logits / 2).softmax(dim=1), 1, generator=generator)[:, 0]
    temperature = fit_temperature(logits[:4000], labels[:4000])
    figure = Figure(figsize=(7.2, 3.4), dpi=100, layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, title, scale in ((axes[0], "as it says", 1.0), (axes[1], f"temperature {temperature:.2f}", temperature)):
        probabilities = (logits[4000:] / scale).softmax(dim=1)
        confidence, best = probabilities.max(dim=1)
        right = (best == labels[4000:]).float()
        for low in torch.arange(0, 1, 0.1).tolist():
            inside = (confidence > low) & (confidence <= low + 0.1)
            if inside.sum() > 20:
                axis.bar(low + 0.05, float(right[inside].mean()), 0.09, color="#3b76b0")
        axis.plot([0, 1], [0, 1], color="#b03a2e", linewidth=1)
        error = expected_calibration_error(probabilities, labels[4000:])
        axis.set(title=f"{title}: error {error:.3f}", xlim=(0, 1), ylim=(0, 1), xlabel="confidence")
    axes[0].set_ylabel("accuracy")
    return drawn(figure)


def drawn(figure: Figure) -> Tensor:
    import io

    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor="white")
    return load_image(file.getvalue())
