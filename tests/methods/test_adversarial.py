"""Adversarial images do what the exercise asks of students, survive the 8 bits, and are as small as they claim."""

from __future__ import annotations

import pytest
import torch

from netlens_core.daisies import draw_daisy
from netlens_core.images import to_8bit
from netlens_core.measures.distance import l2_distance, linf_distance
from netlens_core.measures.similarity import structural_similarity
from netlens_core.methods.adversarial import Goal, craft, fgsm, minimal, mix, pgd, smallest_mix
from netlens_core.networks import Network

DAISY, FLAMINGO = 985, 130
FLOWERS = torch.stack([draw_daisy(seed).image for seed in (3, 7)])


def check(network, attack, originals, goal):
    """What every attack promises: whole levels, honest norms, and a verdict that the network confirms."""
    assert torch.equal(attack.images, to_8bit(attack.images))
    for image, original, linf, l2 in zip(attack.images, originals, attack.linf, attack.l2, strict=True):
        assert linf_distance(image, original) == float(linf)
        assert l2_distance(image, original) == pytest.approx(float(l2), rel=1e-4, abs=1e-6)
    probabilities = network.probabilities(attack.images)
    for row, fooled in zip(probabilities, attack.fooled.tolist(), strict=True):
        best = int(row.argmax())
        wanted = best == goal.target if goal.target is not None else best != goal.true
        assert fooled == (wanted and float(row[best]) >= goal.confidence)


@pytest.mark.parametrize("color", ["white", "yellow"])
def test_a_crafted_image_fools_after_rounding_and_stays_near(lite0, color):
    flower = draw_daisy(7, color=color).image
    image = craft(lite0, flower, levels=3)
    assert torch.equal(image, to_8bit(image))
    assert lite0.probability(image, "daisy") < 0.02
    assert linf_distance(image, flower) <= 3
    assert structural_similarity(image, flower) > 0.93


def test_a_radius_below_half_a_level_dies_in_the_rounding(lite0):
    flower = draw_daisy(7).image
    assert torch.equal(craft(lite0, flower, levels=0.49, steps=3), flower)


def test_other_sizes_keep_their_size(lite0):
    flower = draw_daisy(7, size=160).image
    assert craft(lite0, flower, steps=2).shape == flower.shape


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_descent_stays_within_its_radius_and_fools_several_flowers_at_once(squeezenet, norm):
    goal = Goal(DAISY)
    attack = pgd(squeezenet, FLOWERS, goal, norm, levels=2, steps=15)
    check(squeezenet, attack, FLOWERS, goal)
    assert attack.fooled.all()
    radius = 2 if norm == "linf" else 2 / 255 * FLOWERS[0].numel() ** 0.5
    assert float((attack.linf if norm == "linf" else attack.l2).max()) <= radius + 1e-5
    assert int(attack.steps.max()) < 15  # stopped as soon as it fooled


def test_one_step_goes_to_the_edge_and_does_less_than_many(squeezenet):
    goal = Goal(DAISY, confidence=0.9)
    one, many = (attack(squeezenet, FLOWERS, goal, levels=3) for attack in (fgsm, pgd))
    check(squeezenet, one, FLOWERS, goal)
    assert one.linf.tolist() == [3, 3] and one.steps.tolist() == [1, 1]
    assert float(one.l2.min()) > 0.95 * 3 / 255 * FLOWERS[0].numel() ** 0.5  # nearly all pixels moved
    missing = [goal.missing(squeezenet(attack.images)) for attack in (one, many)]
    assert (missing[1] < missing[0]).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_target_and_a_confidence_are_reached_on_8_bits(squeezenet, norm):
    goal = Goal(DAISY, FLAMINGO, confidence=0.9)
    attack = minimal(squeezenet, FLOWERS, goal, norm, steps=30)
    check(squeezenet, attack, FLOWERS, goal)
    assert attack.fooled.all()
    assert (squeezenet.probabilities(attack.images)[:, FLAMINGO] >= 0.9).all()


def test_the_smallest_euclidean_change_is_far_below_a_level_a_pixel(squeezenet):
    goal = Goal(DAISY)
    attack = minimal(squeezenet, FLOWERS, goal, "l2", steps=30)
    check(squeezenet, attack, FLOWERS, goal)
    assert attack.fooled.all()
    assert float(attack.l2.max()) < 1  # where every pixel by one level is 1.52
    # On the way back to the flower the network recovers at once.
    halved = to_8bit(FLOWERS + (attack.images - FLOWERS) * 0.8)
    assert (squeezenet.probabilities(halved).argmax(dim=1) == DAISY).all()


def test_the_smallest_euclidean_change_beats_foolbox_after_rounding(squeezenet):
    import foolbox
    from torch import nn

    class Wrapped(nn.Module):
        module = squeezenet.module

        def forward(self, images):
            return squeezenet(images)

    model = foolbox.PyTorchModel(Wrapped().eval(), bounds=(0, 1), device="cpu")
    labels = torch.full((2,), DAISY)
    ours = minimal(squeezenet, FLOWERS, Goal(DAISY), "l2", steps=20)
    for attack in (foolbox.attacks.L2FMNAttack(steps=20), foolbox.attacks.DDNAttack(steps=20)):
        seen = to_8bit(attack(model, FLOWERS, labels, epsilons=None)[1])
        fooled = squeezenet.probabilities(seen).argmax(dim=1) != DAISY
        for survived, image, flower, norm in zip(fooled.tolist(), seen, FLOWERS, ours.l2, strict=True):
            assert not survived or float(norm) <= l2_distance(image, flower)


def test_the_smallest_largest_change_is_no_larger_than_what_descent_needs(squeezenet):
    goal = Goal(DAISY)
    attack = minimal(squeezenet, FLOWERS, goal, "linf", steps=30)
    check(squeezenet, attack, FLOWERS, goal)
    for flower, linf in zip(FLOWERS, attack.linf.tolist(), strict=True):
        needed = next(r for r in range(1, 9) if bool(pgd(squeezenet, flower, goal, levels=r, steps=10).fooled))
        assert 1 <= linf <= needed


def test_an_image_that_is_no_daisy_to_begin_with_is_left_alone(squeezenet):
    grey = torch.full((1, 3, 224, 224), 128 / 255)
    for norm in ("linf", "l2"):
        attack = minimal(squeezenet, grey, Goal(DAISY), norm, steps=4)
        assert attack.fooled.all() and float(attack.l2) == 0


def test_random_weights_of_another_architecture_can_be_fooled():
    import torchvision

    torch.manual_seed(0)
    names = tuple(map(str, range(10)))
    alexnet = Network("alexnet", torchvision.models.alexnet(num_classes=10), names, 224, (0.5,) * 3, (0.5,) * 3)
    image = FLOWERS[0]
    goal = Goal(int(alexnet.probabilities(image).argmax()))
    attack = pgd(alexnet, image, goal, levels=8, steps=10)
    assert attack.fooled.all() and float(attack.linf) <= 8


def test_the_same_call_gives_the_same_image(squeezenet):
    first, second = (minimal(squeezenet, FLOWERS[:1], Goal(DAISY), steps=5).images for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(("target", "confidence"), [(DAISY, 0.5), (None, 1.0), (None, -0.1)])
def test_a_goal_that_cannot_be_is_refused(target, confidence):
    with pytest.raises(ValueError):
        Goal(DAISY, target, confidence=confidence)


def test_what_is_missing_is_told_in_logits():
    logits = torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0]])
    assert Goal(0).missing(logits).tolist() == [2, -2]
    assert Goal(0, margin=1).missing(logits).tolist() == [3, -1]
    assert Goal(0, target=2).missing(logits).tolist() == [3, 1]
    half = Goal(0, target=2, confidence=0.5).missing(logits)
    torch.testing.assert_close(half, logits[:, :2].logsumexp(dim=1) - logits[:, 2])


def test_a_mix_adds_what_departs_from_grey_and_stays_in_range():
    flower, noise = torch.full((3, 2, 2), 0.5), torch.tensor([0.0, 0.5, 0.75, 1.0]).view(1, 2, 2).expand(3, 2, 2)
    wanted = torch.tensor([0.4, 0.5, 0.55, 0.6]).view(1, 2, 2).expand(3, 2, 2)
    torch.testing.assert_close(mix(flower, noise, amplitude=0.1), wanted)
    assert float(mix(flower, noise, amplitude=3).max()) == 1
    assert float(mix(flower, noise, amplitude=3).min()) == 0


def test_a_mix_of_two_sizes_is_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        mix(torch.zeros(3, 4, 4), torch.zeros(3, 5, 5))


def test_the_smallest_mix_fools_and_a_weaker_one_does_not(squeezenet):
    flower = FLOWERS[1]
    noise = torch.rand(flower.shape, generator=torch.Generator().manual_seed(0))
    goal = Goal(DAISY)
    amplitude, attack = smallest_mix(squeezenet, flower, noise, goal)
    check(squeezenet, attack, flower[None], goal)
    assert attack.fooled.all() and 0 < amplitude < 1
    assert torch.equal(attack.images[0], to_8bit(mix(flower, noise, amplitude)))
    assert squeezenet.classify(to_8bit(mix(flower, noise, amplitude - 1 / 512)), k=1)[0][0] == "daisy"


def test_noise_that_changes_nothing_does_not_fool(squeezenet):
    amplitude, attack = smallest_mix(squeezenet, FLOWERS[0], torch.full_like(FLOWERS[0], 0.5), Goal(DAISY))
    assert amplitude == 1 and not attack.fooled.any()
