"""Pictures of docs/methods/cam.md: where networks look, and what that depends on."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from netlens_core.daisies import draw_daisy
from netlens_core.measures.saliency import deletion_curve, insertion_curve
from netlens_core.methods.cam import class_activation_map, grad_cam, occlusion, overlay
from netlens_core.networks import Network, load_network

SIDE = 224


def pictures() -> Iterator[tuple[str, Tensor]]:
    networks = [load_network(name, "cpu") for name in ("efficientnet_lite0", "squeezenet1_1")]
    flower = draw_daisy(7).image
    rows = []
    for network in networks:
        heats = [make(network, flower, "daisy") for make in (class_activation_map, grad_cam, occlusion)]
        rows.append(
            titled([flower, *(overlay(flower, heat) for heat in heats)], [network.name, "CAM", "Grad-CAM", "occlusion"])
        )
    yield "methods", torch.cat(rows, dim=1)

    network = networks[0]
    scene = composite()
    maps = [overlay(scene, grad_cam(network, scene, name)) for name in ("daisy", "traffic light")]
    yield "classes", titled([scene, *maps], ["one picture, two things", "daisy?", "traffic light?"])

    yield "randomised", randomised(network, flower)
    heat = grad_cam(network, flower, "daisy")
    yield "curves", curves(network, flower, heat)


def composite() -> Tensor:
    """A daisy and, to its right, a red traffic light: (3, 224, 336)."""
    return torch.cat([draw_daisy(7).image, traffic_light()], dim=2)


def traffic_light() -> Tensor:
    """A red traffic light before the sky: (3, 224, 112)."""
    size = (SIDE * 2, SIDE * 4)  # drawn four times as large, so that edges come out smooth
    picture = Image.new("RGB", size, (150, 180, 215))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((206, 660, 242, size[1]), fill=(60, 60, 62))
    draw.rounded_rectangle((76, 80, 372, 760), 60, fill=(25, 27, 26))
    for y, color in ((190, (255, 50, 40)), (420, (80, 60, 10)), (650, (10, 60, 30))):
        draw.ellipse((136, y - 90, 312, y + 90), fill=color)
    small = picture.resize((SIDE // 2, SIDE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255


def randomised(network: Network, flower: Tensor) -> Tensor:
    """The map while the network forgets, from the logits down: after the last 1, 4, 16 and all convolutions."""
    forgetful = replace(network, module=copy.deepcopy(network.module))
    layers = [part for part in forgetful.module.modules() if isinstance(part, nn.Conv2d | nn.Linear)][::-1]
    generator = torch.Generator().manual_seed(0)
    shown, titles = [overlay(flower, grad_cam(network, flower, "daisy"))], ["trained"]
    for number, part in enumerate(layers, 1):
        for weights in part.parameters(recurse=False):
            weights.copy_(weights.flatten()[torch.randperm(weights.numel(), generator=generator)].view_as(weights))
        if number in (1, 4, 16, len(layers)):
            shown.append(overlay(flower, grad_cam(forgetful, flower, "daisy", "bn2")))
            names = {1: "last layer random", len(layers): "all random"}
            titles.append(names.get(number, f"last {number} random"))
    return titled(shown, titles)


def curves(network: Network, flower: Tensor, heat: Tensor) -> Tensor:
    """Deletion and insertion along Grad-CAM's map, against it, and in random order."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    chance = torch.rand(heat.shape, generator=torch.Generator().manual_seed(0))
    figure, axes = pyplot.subplots(1, 2, figsize=(9.2, 3.4), dpi=100, sharey=True, layout="constrained")
    for axis, title, curve in zip(axes, ("deletion", "insertion"), (deletion_curve, insertion_curve), strict=True):
        for label, order, style in (
            ("hottest first", heat, "-"),
            ("coldest first", 1 - heat, "--"),
            ("random", chance, ":"),
        ):
            found = curve(network, flower, order, "daisy")
            axis.plot(found.shares, found.probabilities, style, label=f"{label}, area {found.area:.2f}")
        axis.set(title=title, xlabel="share of the pixels", ylim=(-0.02, 1.02))
        place = (0.0, 0.02) if title == "deletion" else (0.2, 0.4)
        axis.legend(loc="lower left", bbox_to_anchor=place, frameon=False)
    axes[0].set_ylabel("probability of daisy")
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()  # type: ignore[attr-defined]
    pyplot.close(figure)
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def titled(images: list[Tensor], titles: list[str]) -> Tensor:
    """Images (3, H, W) in a row on white, each under its title of one line or more."""
    gap, head = 6, 4 + 17 * max(title.count("\n") + 1 for title in titles)
    height, width = images[0].shape[1:]
    sheet = Image.new("RGB", (len(images) * (width + gap) - gap, height + head + gap), "white")
    draw = ImageDraw.Draw(sheet)
    for place, title in enumerate(titles):
        draw.multiline_text((place * (width + gap) + 2, 2), title, "black", ImageFont.load_default(12))
    row = torch.from_numpy(np.array(sheet)).permute(2, 0, 1).float() / 255
    for place, image in enumerate(images):
        left = place * (width + gap)
        row[:, head : head + height, left : left + width] = image
    return row
