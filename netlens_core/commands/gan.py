"""`netlens gan`: train a small generative adversarial network, show what it draws, and measure it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netlens_core import NetlensError
from netlens_core.commands.shared import AsJson, Device, Seed, out, print_json, refuse_output, save, tell

if TYPE_CHECKING:
    from netlens_core.measures.feature_network import FeatureNetwork
    from netlens_core.measures.generative import Quality
    from netlens_core.methods.datasets import Dataset
    from netlens_core.methods.gan import Gan

_MEANINGS = {
    "frechet": "Fréchet distance, as a share of the images' variance; 0 is best",
    "precision": "share of drawings that are like some held-out image",
    "recall": "share of held-out images that are like some drawing",
    "density": "how densely drawings lie where images do; 1 is even",
    "coverage": "share of held-out images with a drawing near by",
    "novelty": "distance to the training images; copies have 0, new images about 1",
    "copies": "share of drawings that are copies of a training image",
    "modes": "how evenly the classes are drawn; 1 is all alike",
    "confidence": "how sure a classifier is of the drawings",
}


def gan(
    source: Annotated[
        str, typer.Argument(metavar="IMAGES", help="digits, daisies, mnist, celeba, or a folder of pictures.")
    ],
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Train so many steps: the same drawings every time.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=1, help="Or train so long; 60 where neither is given.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", help="Pixels a side: 8, 16, 32, 64 or 128. Default: 8 for digits, else 32."),
    ] = None,
    count: Annotated[int, typer.Option("--count", help="Daisies to paint or pictures to read.")] = 3000,
    data: Annotated[
        Path | None, typer.Option("--data", help="Where torchvision keeps MNIST and CelebA.", envvar="NETLENS_DATA")
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The drawings; the other pictures are named after it.")
    ] = Path("gan.png"),
    as_json: AsJson = False,
) -> None:
    """Train a small generative adversarial network on small images, and measure what it draws.

    Writes four pictures: drawings (gan.png), the same twelve in the course of training (gan-training.png), one turning
    into another (gan-interpolation.png) and the losses (gan-losses.png). Ctrl-C ends training and keeps what there is.

    A folder's pictures may be of any kind and size; those that cannot be read and copies of others are left out and
    told. At least 50 different ones are needed.

    Example: netlens gan daisies --seconds 90 --seed 1 -o daisies.png
    """
    from netlens_core.measures.generative import measure
    from netlens_core.methods.datasets import load_dataset
    from netlens_core.methods.gan import train

    if steps is not None and seconds is not None:
        raise NetlensError("--steps and --seconds are two ways to say how long: give one of them")
    refuse_output(output)
    where = _device(device)
    dataset = load_dataset(source, size, count, data)
    for note in dataset.notes:
        tell(note)
    try:
        trained = train(dataset.images, steps, seconds, seed, where)
    except ValueError as error:
        raise NetlensError(str(error)) from None
    _write_pictures(trained, output, seed)
    network = feature_network(dataset)
    count = min(1000, max(100, len(dataset.held_out)))
    quality = measure(trained.sample(count, seed), dataset.images, dataset.held_out, network)
    found: dict[str, Any] = {
        "images": len(dataset.images),
        "steps": len(trained.history),
        "seconds": round(trained.seconds, 2),
        "features": network.name,
        **vars(quality),
    }
    if as_json:
        print_json(found | {"history": trained.history, "notes": list(dataset.notes)})
    else:
        _tell(found, quality)


def feature_network(dataset: Dataset) -> FeatureNetwork:
    """The network to measure in: a classifier of these images where their classes are known, else Lite0."""
    from netlens_core.measures.feature_network import classifier_features, lite_features

    if dataset.labels is None or dataset.held_out_labels is None:
        return lite_features(dataset.images)
    return classifier_features(dataset.images, dataset.labels, (dataset.held_out, dataset.held_out_labels))


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise NetlensError(f"--device {name}: {str(error).splitlines()[0]} (auto or cpu will do)") from None
    return name


def _write_pictures(trained: Gan, output: Path, seed: int) -> None:
    import torch

    from netlens_core.methods.gan_pictures import grid, loss_curves

    def beside(part: str) -> Path:
        return output.with_name(f"{output.stem}-{part}.png")

    save(grid(trained.sample(96, seed), columns=12), output)
    save(grid(torch.cat(list(trained.snapshots.values())), columns=12), beside("training"))
    save(
        grid(torch.cat([trained.interpolate(12, seed + row) for row in range(4)]), columns=12), beside("interpolation")
    )
    save(loss_curves(trained.history), beside("losses"))


def _tell(found: dict[str, Any], quality: Quality) -> None:
    from rich.table import Table

    out.print(f"{found['steps']} steps on {found['images']} images in {found['seconds']:.0f} s; {found['features']}")
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in vars(quality).items():
        if value is not None:
            table.add_row(name, f"{value:.3f}", _MEANINGS[name])
    out.print(table)
