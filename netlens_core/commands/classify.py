"""`netlens classify`: what networks take images for, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from netlens_core import NetlensError
from netlens_core.commands.shared import (
    FAILED,
    LONGEST_SIDE,
    AsJson,
    Device,
    load,
    out,
    picture,
    print_json,
    save,
    tell,
)

if TYPE_CHECKING:
    from torch import Tensor

    from netlens_core.networks import Network

_BAR = 20  # characters for a probability of 1


def classify(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE…", help="Pictures' paths, folders of them, or flowers: daisy:7 (its seed), daisy:7:yellow."
        ),
    ],
    network: Annotated[
        list[str] | None, typer.Option("--network", "-n", help="Repeat it to see several networks side by side.")
    ] = None,
    top: Annotated[int, typer.Option("--top", "-k", min=1, help="How many categories.")] = 5,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            metavar="FOLDER",
            help="Labelled pictures, one folder a category (its name or number): fits each network's temperature.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also a picture with bars; numbered for several images.")
    ] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """What networks take images for: the likeliest categories with bars to scale, and how far the networks agree.

    Pictures that cannot be read are listed and the others classified all the same. The exit status is then 1 where one
    of them was named, 0 where they only lay in a folder.

    netlens classify daisy:7 photo.png -n efficientnet_lite0 -n squeezenet1_1

    netlens classify photo.png --calibrate my_labelled_photos --output bars.png
    """
    from netlens_core.methods.classification import logits_of

    networks = [load(name, device) for name in dict.fromkeys(network or ["efficientnet_lite0"])]
    notes: list[str] = []
    images, pictures, failed = _pictures(images, networks[0].input_size, notes)
    for loaded in networks:
        if top > len(loaded.categories):
            raise NetlensError(f"--top {top}: {loaded.name} has {len(loaded.categories)} categories")
    logits = [logits_of(loaded, pictures) for loaded in networks]
    fits = [_fitted(loaded, calibrate, notes) if calibrate else None for loaded in networks]
    answers = [
        _answer(source, networks, [table[place] for table in logits], fits, top) for place, source in enumerate(images)
    ]
    if as_json:
        print_json({"images": answers, "calibration": [fit for fit in fits if fit], "notes": notes})
    else:
        for fit in fits:
            if fit:
                _tell_fit(fit)
        for answer in answers:
            _tell(answer, 1 / len(networks[0].categories))
    if output:
        _draw(output, pictures, answers, networks)
    if failed:
        raise typer.Exit(FAILED)


def _pictures(sources: list[str], size: int, notes: list[str]) -> tuple[list[str], list[Tensor], bool]:
    """The pictures that can be read with their names, and whether one that was named could not.

    Raises NetlensError where none is left.
    """
    from netlens_core.picture_folders import find_pictures, listed

    names: list[str] = []
    pictures: list[Tensor] = []
    failed = False
    bad: list[str] = []
    for source in sources:
        inside = [source]
        if Path(source).is_dir():
            found = find_pictures(Path(source), subfolders=False)
            inside, bad = [str(path) for path in found.paths], [*bad, *found.bad]
            if not found.paths and not found.bad:
                bad.append(f"{source} holds no pictures")
                failed = True
        for name in inside:
            try:
                pictures.append(picture(name, size, notes))
                names.append(name)
            except NetlensError as error:
                bad.append(str(error))
                failed = failed or name == source
    if not pictures:
        raise NetlensError(listed(bad))
    if bad:
        notes.append(f"left out: {listed(bad)}")
        tell(notes[-1])
    return names, pictures, failed


def _answer(
    source: str, networks: Sequence[Network], logits: list[Tensor], fits: list[dict[str, Any] | None], top: int
) -> dict[str, Any]:
    """What every network says of one image, as plain data."""
    from netlens_core.methods.classification import agreement

    probabilities = [row.softmax(dim=0) for row in logits]
    said = []
    for loaded, row, values, fit in zip(networks, logits, probabilities, fits, strict=True):
        best = values.topk(top)
        rows = [
            {"category": loaded.categories[i], "index": i, "probability": p}
            for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]
        if fit:
            cooled = (row / fit["temperature"]).softmax(dim=0)
            for entry in rows:
                entry["calibrated"] = float(cooled[int(entry["index"])])
        said.append({"network": loaded.name, "top": rows})
    told: dict[str, Any] = {"image": source, "networks": said}
    if len(networks) > 1 and len({loaded.categories for loaded in networks}) == 1:
        found = agreement(networks, probabilities)
        told["agreement"] = {
            "winner": found.winner,
            "votes": found.votes,
            "networks": len(networks),
            "mean_probability": float(found.mean[list(networks[0].categories).index(found.winner)]),
            "divergence_bits": found.divergence,
        }
    return told


# -- temperatures ----------------------------------------------------------------------------------------


def _fitted(network: Network, folder: Path, notes: list[str]) -> dict[str, Any]:
    """A network's temperature on labelled pictures, and its calibration error on them before and after.

    The error is told on the half that the temperature was not fitted on; the temperature in use is fitted on all.
    """
    from netlens_core.measures.calibration import expected_calibration_error
    from netlens_core.methods.classification import fit_temperature, logits_of

    images, labels = _labelled(network, folder, notes)
    logits = logits_of(network, images)
    half, rest = slice(0, None, 2), slice(1, None, 2)
    trial = fit_temperature(logits[half], labels[half])
    return {
        "network": network.name,
        "images": len(images),
        "temperature": fit_temperature(logits, labels),
        "accuracy": float((logits.argmax(dim=1) == labels).float().mean()),
        "error_before": expected_calibration_error(logits[rest].softmax(dim=1), labels[rest]),
        "error_after": expected_calibration_error((logits[rest] / trial).softmax(dim=1), labels[rest]),
    }


def _labelled(network: Network, folder: Path, notes: list[str]) -> tuple[list[Tensor], Tensor]:
    import torch

    from netlens_core.images import resize
    from netlens_core.picture_folders import Reading, find_pictures, listed, read_pictures

    if not folder.is_dir():
        raise NetlensError(f"--calibrate {folder} is no folder")
    whole, labels = Reading(), []
    for part in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        try:
            label = network.category_index(int(part.name) if part.name.isdecimal() else part.name.replace("_", " "))
        except ValueError as error:
            raise NetlensError(f"{part}: {error}") from None
        reading = read_pictures(
            find_pictures(part, subfolders=False), None, lambda image: resize(image, network.input_size), LONGEST_SIDE
        )
        whole.images += reading.images
        whole.bad += reading.bad
        whole.others += reading.others
        whole.converted += reading.converted
        labels += [label] * len(reading.images)
    if len(whole.images) < 2:
        bad = f" ({listed(whole.bad)})" if whole.bad else ""
        raise NetlensError(f"--calibrate {folder}: it needs folders named after categories, with pictures in them{bad}")
    for note in whole.notes:
        if note not in notes:  # once for several networks
            notes.append(note)
            tell(note)
    return whole.images, torch.tensor(labels)


def _tell_fit(fit: dict[str, Any]) -> None:
    out.print(
        f"{fit['network']}: temperature {fit['temperature']:.2f} from {fit['images']} pictures "
        f"({fit['accuracy']:.0%} right); calibration error on the half left out "
        f"{fit['error_before']:.3f}, with a temperature {fit['error_after']:.3f}",
        soft_wrap=True,
    )


# -- for people ------------------------------------------------------------------------------------------


def _tell(answer: dict[str, Any], chance: float) -> None:
    calibrated = any("calibrated" in row for said in answer["networks"] for row in said["top"])
    table = Table(title=Text(answer["image"]), title_justify="left", show_edge=False, pad_edge=False)
    for said in answer["networks"]:
        table.add_column(said["network"])
        table.add_column("", justify="right")
        if calibrated:
            table.add_column("calibrated", justify="right")
    for place in range(len(answer["networks"][0]["top"])):
        cells: list[Text | str] = []
        for said in answer["networks"]:
            row = said["top"][place]
            cells += [Text(f"{row['category']}\n{bar(row['probability'])}"), _percent(row["probability"])]
            cells += [_percent(row["calibrated"])] if calibrated else []
        table.add_row(*cells)
    out.print(table)
    out.print(f"A bar's full length is 100%; chance is {_percent(chance)}.", style="dim")
    if "agreement" in answer:
        found = answer["agreement"]
        out.print(
            f"{found['votes']} of {found['networks']} networks say {found['winner']}, mean probability "
            f"{_percent(found['mean_probability'])}; they differ by {found['divergence_bits']:.2f} of 1 bit."
        )
    out.print()


def bar(probability: float, length: int = _BAR) -> str:
    """A bar to scale in eighths of a character, its full length marked by the end of the track."""
    eighths = round(probability * length * 8)
    part = " ▏▎▍▌▋▊▉"[eighths % 8] if eighths % 8 else ""
    return ("█" * (eighths // 8) + part).ljust(length, "·")


def _percent(probability: float) -> str:
    return f"{100 * probability:.1f}%"


def _draw(output: Path, pictures: list[Tensor], answers: list[dict[str, Any]], networks: Sequence[Network]) -> None:
    from netlens_core.methods.classification_chart import Panel, chart

    for place, (shown, answer) in enumerate(zip(pictures, answers, strict=True), 1):
        panels = []
        for loaded, said in zip(networks, answer["networks"], strict=True):
            ranked = [(row["category"], row["probability"]) for row in said["top"]]
            cooled = tuple(row["calibrated"] for row in said["top"] if "calibrated" in row)
            panels.append(Panel(loaded.name, ranked, cooled or None, 1 / len(loaded.categories)))
        path = output if len(pictures) == 1 else output.with_stem(f"{output.stem}-{place}")
        save(chart(shown, panels), path)
