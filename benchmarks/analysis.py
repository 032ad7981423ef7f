"""The analyser against torchinfo: time, what each finds, whether the numbers agree.

    python benchmarks/analysis.py [--runs 5]

Prints Markdown. The two take turns in one process, on the same modules and input sizes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
import torchinfo
import torchvision
from torch import Tensor, nn

from netlens_core.methods.analysis import analyze
from netlens_core.methods.analysis.page import as_html

SIZE = 224
NAMES = ("squeezenet1_1", "alexnet", "resnet18", "mobilenet_v3_small", "densenet121", "googlenet", "vit_b_32", "swin_t")
COLUMNS = ("input_size", "output_size", "num_params", "kernel_size", "mult_adds")


@dataclass
class Compared:
    name: str
    ours: float
    theirs: float
    page: float
    page_bytes: int
    rows: int
    parameters: tuple[int, int]
    multiply_adds: tuple[int, int]
    multiplied: int  # by a count of our own: a hook on every convolution and fully connected layer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    torch.manual_seed(0)
    found = []
    print(f"Random weights, one image of {SIZE} px.\n")
    print("| network | rows | ours, s | torchinfo, s | our page, s and MB | parameters | multiply-adds | torchinfo's |")
    print("|" + " --- |" * 8)
    for name in NAMES:
        print(f"{name} …", file=sys.stderr)
        extra = {"init_weights": False} if name == "googlenet" else {}
        one = compare(name, torchvision.models.get_model(name, weights=None, **extra).eval(), runs)
        found.append(one)
        same = "equal" if one.parameters[0] == one.parameters[1] else f"{one.parameters[0]:,} and {one.parameters[1]:,}"
        print(
            f"| {one.name} | {one.rows} | {one.ours:.2f} | {one.theirs:.2f} | {one.page:.2f}, "
            f"{one.page_bytes / 1e6:.1f} | {same} | {one.multiply_adds[0]:,} | {one.multiply_adds[1]:,} |",
            flush=True,
        )
    print()
    for line in findings(found):
        print(f"- {line}")
    print("\n### What each copes with\n\n| | ours | torchinfo |\n| --- | --- | --- |")
    for what, probe in PROBES.items():
        print(f"| {what} | {answered(probe, ours)} | {answered(probe, theirs)} |")


def compare(name: str, module: nn.Module, runs: int) -> Compared:
    spent: dict[str, list[float]] = {"ours": [], "theirs": []}
    for run in range(runs + 1):  # the first warms up
        for who, call in (("ours", lambda: analyze(module, SIZE)), ("theirs", lambda: summary(module))):
            start = time.perf_counter()
            call()
            if run:
                spent[who].append(time.perf_counter() - start)
    analysis, their = analyze(module, SIZE), summary(module)
    start = time.perf_counter()
    page = as_html(analysis)
    return Compared(
        name,
        median(spent["ours"]),
        median(spent["theirs"]),
        time.perf_counter() - start,
        len(page),
        len(analysis.rows),
        (analysis.parameters, their.total_params),
        (analysis.multiply_adds, their.total_mult_adds),
        multiplied(module),
    )


def summary(module: nn.Module) -> Any:
    return torchinfo.summary(module, (1, 3, SIZE, SIZE), verbose=0, depth=20, col_names=COLUMNS)


@torch.no_grad()
def multiplied(module: nn.Module) -> int:
    """Multiply-adds of all convolutions and fully connected layers that are modules: each output times its weights."""
    total = 0

    def count(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        nonlocal total
        weight: Any = layer.weight
        total += output.numel() * weight[0].numel()

    kinds = (nn.Conv2d, nn.Linear)
    handles = [part.register_forward_hook(count) for part in module.modules() if isinstance(part, kinds)]
    module(torch.zeros(1, 3, SIZE, SIZE))
    for handle in handles:
        handle.remove()
    return total


def findings(found: list[Compared]) -> list[str]:
    slower = [f"{one.name} {one.ours / one.theirs:.2f}" for one in found]
    off = [one for one in found if abs(one.multiply_adds[1] / one.multiply_adds[0] - 1) > 0.05]
    near = max(abs(o.multiply_adds[1] / o.multiply_adds[0] - 1) for o in found if o not in off)
    equal = sum(one.multiplied == one.multiply_adds[0] for one in found)
    more = [o for o in found if o.multiply_adds[0] > o.multiplied]
    lines = [
        f"Time, ours over torchinfo's: {', '.join(slower)}; median {median(o.ours / o.theirs for o in found):.2f}.",
        f"Parameters are equal on {sum(o.parameters[0] == o.parameters[1] for o in found)} of {len(found)} networks.",
        f"Multiply-adds: where the two are near (within 5%), they differ by at most {100 * near:.2f}%: torchinfo also "
        "counts the numbers of biases and normalisations.",
        f"A count of each convolution's and fully connected layer's products by hooks equals ours on {equal} of "
        f"{len(found)} networks"
        + (f"; on {', '.join(o.name for o in more)} ours is higher: products in functions." if more else "."),
    ]
    for one in off:
        share = one.multiply_adds[1] / one.multiply_adds[0]
        counted = one.multiply_adds[1] / one.multiplied
        lines.append(
            f"{one.name}: torchinfo tells {share:.0%} of our multiply-adds, and {counted:.0%} of what the hooks count."
        )
    return lines


# -- what each copes with --------------------------------------------------------------------------------


class Functional(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([nn.functional.relu(x), x * 2], dim=1).mean(dim=(2, 3))


class Wrong(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
        self.head = nn.Linear(100, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x))
        return out


class DataDependent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Sigmoid(), nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.one(x) if x.sum() > 1e-9 else self.other(x)
        return out


class WithUnused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.spare = nn.Conv2d(3, 4, 3), nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.used(x)
        return out


def ours(module: nn.Module) -> str:
    try:
        analysis = analyze(module, 32)
        return " ".join([*(f"{row.name} {row.inputs}" for row in analysis.rows), *analysis.warnings])
    except ValueError as error:
        return str(error)


def theirs(module: nn.Module) -> str:
    try:
        return str(torchinfo.summary(module, (1, 3, 32, 32), verbose=0, depth=20, col_names=COLUMNS))
    except Exception as error:
        return str(error)


def answered(probe: tuple[Callable[[], nn.Module], Callable[[str], bool]], who: Callable[[nn.Module], str]) -> str:
    make, passes = probe
    return "yes" if passes(who(make())) else "no"


PROBES: dict[str, tuple[Callable[[], nn.Module], Callable[[str], bool]]] = {
    "functional layers (`cat`, `relu`, `mean`) as rows": (
        Functional,
        lambda said: all(word in said for word in ("cat", "relu", "mean")),
    ),
    "which layer takes which": (Functional, lambda said: "cat (2, 3)" in said),
    "a path that depends on the data": (
        DataDependent,
        lambda said: any(word in said for word in ("one", "other", "Sigmoid", "Tanh")),
    ),
    "a shape error told with the layer that is the matter": (Wrong, lambda said: "head" in said and "3600" in said),
    "parameters that nothing uses": (WithUnused, lambda said: "spare" in said and "nothing uses" in said),
}

if __name__ == "__main__":
    main()
