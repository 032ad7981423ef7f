"""`gan`: other people's games count, cheats earn next to nothing, and coming nearer to digits never costs points."""

from __future__ import annotations

import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch import nn
from torch.nn import functional

from netlens_core.measures import feature_network

LATENT, DRAWINGS = 64, 480


class Dcgan:
    """A plain DCGAN (Radford, Metz and Chintala, 2015), for 8 x 8 pixels: convolutions, BCE, no average."""

    def train(self, images, steps=2000):
        draw = nn.Sequential(
            nn.ConvTranspose2d(LATENT, 64, 2, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip
        tell = nn.Sequential(
            nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(64, 1, 2), nn.Flatten(),
        )  # fmt: skip
        optimizers = [torch.optim.Adam(net.parameters(), 2e-3, (0.5, 0.99), fused=True) for net in (draw, tell)]
        judge, yes, no = nn.BCEWithLogitsLoss(), torch.ones(64, 1), torch.zeros(64, 1)
        history = []
        for _ in range(steps):
            real = 2 * images[torch.randint(len(images), (64,))] - 1
            drawn = draw(torch.randn(64, LATENT, 1, 1))
            told = judge(tell(real), yes) + judge(tell(drawn.detach()), no)
            optimizers[1].zero_grad()
            told.backward()
            optimizers[1].step()
            fooled = judge(tell(drawn), yes)
            optimizers[0].zero_grad()
            fooled.backward()
            optimizers[0].step()
            history.append({"generator": fooled.item(), "discriminator": told.item()})
        self.draw = draw.eval()
        return history

    def sample(self, count):
        with torch.no_grad():
            return (self.draw(torch.randn(count, LATENT, 1, 1)) + 1) / 2


class Mixture:
    """No game at all: twenty Gaussians, fitted by expectation maximisation. It has no losses to show."""

    def train(self, images):
        self.mixture = GaussianMixture(20, reg_covar=1e-3, random_state=0).fit(images.flatten(1).numpy())
        return [{"generator": 0.0, "discriminator": 0.0}] * 600

    def sample(self, count):
        pixels, _ = self.mixture.sample(count)
        return torch.from_numpy(pixels).float().clamp(0, 1).view(-1, 1, 8, 8)[torch.randperm(count)]


@pytest.fixture(scope="module", autouse=True)
def one_classifier():
    """The grader's classifier is the same for the same digits: here it is trained once for all the marking."""
    train, kept = feature_network.classifier_features, {}

    def once(images, kinds):
        key = images.numpy().tobytes(), kinds.numpy().tobytes()
        if key not in kept:
            kept[key] = train(images, kinds)
        return kept[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(feature_network, "classifier_features", once)
        yield


def functions(solution):
    return {"train": solution.train, "sample": solution.sample}


@pytest.fixture(scope="module")
def learnt(trying):
    """What the reference learnt from the hidden digits: its history, and drawings; so that many tests take one game."""
    exercise = trying("gan")
    solution, seen = exercise.reference(), {}

    def train(images):
        seen.update(images=images, history=solution["train"](images), drawings=solution["sample"](4 * DRAWINGS))
        return seen["history"]

    assert exercise.lost(exercise.mark({"train": train, "sample": solution["sample"]})) == {}
    return seen


def test_the_reference_earns_everything_whatever_the_target(trying, learnt, squeezenet):
    exercise = trying("gan", "squeezenet1_1")
    drawings = {1: learnt["drawings"][:1], DRAWINGS: learnt["drawings"][1 : DRAWINGS + 1]}
    checks = exercise.mark({"train": lambda images: learnt["history"], "sample": drawings.get})
    assert exercise.lost(checks) == {}


@pytest.mark.slow
def test_a_plain_dcgan_earns_everything(trying):
    exercise = trying("gan")
    assert exercise.lost(exercise.mark(functions(Dcgan()))) == {}


def test_what_is_no_game_draws_new_digits_but_has_no_losses_to_show(trying):
    exercise = trying("gan")
    assert set(exercise.lost(exercise.mark(functions(Mixture())))) == {"test_both_networks_learn"}


def handing_in(learnt, draw):
    """Functions that hand in the reference's history, and drawings by draw(images, count)."""
    return {"train": lambda images: learnt["history"], "sample": lambda count: draw(learnt["images"], count)}


def chosen(images, count):
    return images[torch.randperm(len(images)).repeat(2)[:count]]


def noisy(strength, where=lambda copies: 1.0):
    def draw(images, count):
        copies = chosen(images, count)
        return (copies + strength * torch.randn(copies.shape) * where(copies)).clamp(0, 1)

    return draw


def blended(images, count):
    copies = chosen(images, count)
    similar = torch.cdist(copies.flatten(1), images.flatten(1)).topk(31, largest=False).indices[:, 1:]
    other = images[similar[torch.arange(count), torch.randint(30, (count,))]]
    share = torch.rand(count, 1, 1, 1)
    return share * copies + (1 - share) * other


CHEATS = {
    "copies": chosen,
    "a little noise": noisy(0.05),
    "noise": noisy(0.15),
    "strong noise": noisy(0.20),
    "noise in the strokes": noisy(0.20, where=lambda copies: copies > 0),
    "stronger noise in the strokes": noisy(0.30, where=lambda copies: copies > 0),
    "blends of two similar digits": blended,
    "shifted": lambda images, count: chosen(images, count).roll((1, 1), (2, 3)),
    "half as bright": lambda images, count: 0.5 * chosen(images, count),
    "noise alone": lambda images, count: torch.rand(count, 1, 8, 8),
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_with_true_losses_too_cheats_earn_only_what_the_size_is_worth(trying, learnt, cheat):
    checks = trying("gan").mark(handing_in(learnt, CHEATS[cheat]))
    assert sum(check.points for check in checks.values()) == 1, checks


def test_digits_that_were_held_back_are_found_under_noise(trying, learnt):
    digits = trying("gan").inputs["hidden_digits"].images.flip(3)
    held_back = digits[2 * len(digits) // 3 :]
    checks = trying("gan").mark(handing_in(learnt, lambda images, count: noisy(0.1)(held_back, count)))
    assert checks["test_nothing_is_copied"].points == 0


def test_a_lost_kind_is_seen(trying, learnt):
    images, labels = trying("gan").inputs["hidden_digits"]
    nearest = torch.cdist(learnt["drawings"].flatten(1), images.flip(3).flatten(1)).argmin(1)
    left = learnt["drawings"][labels[nearest] != labels[0]]
    assert len(left) >= DRAWINGS
    lost = trying("gan").lost(trying("gan").mark(handing_in(learnt, lambda images, count: left[:count])))
    assert "test_every_kind_is_drawn" in lost and "test_nothing_is_copied" not in lost


def smooth(images):
    return functional.avg_pool2d(images, 3, 1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["copies", "noise", "blur", "few"])
def test_each_step_from_a_wrong_solution_to_the_reference_earns_as_much_or_more(trying, learnt, wrong):
    def nearer(share):
        def draw(images, count):
            drawings = learnt["drawings"][:count]
            if wrong == "blur":
                return share * drawings + (1 - share) * smooth(drawings)
            if wrong == "noise":
                return (drawings + (1 - share) * torch.randn(drawings.shape)).clamp(0, 1)
            keep = torch.linspace(0, 1, count) <= share
            other = chosen(images, count) if wrong == "copies" else drawings[:1].expand(count, -1, -1, -1)
            return torch.where(keep[:, None, None, None], drawings, other)

        return handing_in(learnt, draw)

    exercise = trying("gan")
    points = exercise.points_along(nearer(share) for share in (0, 0.5, 0.75, 1))
    assert points == sorted(points) and points[0] < points[-1] == exercise.exercise.max_points, points
