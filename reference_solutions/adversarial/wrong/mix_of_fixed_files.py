"""The mix ignores its arguments and uses the files beside the notebook."""

LOSES = ["test_mix_shows_the_flower"]

# %%
import torch

from netlens_core.images import load_image, to_8bit


def attack(network, flower, levels=3, steps=40):
    network, daisy, budget = network.folded(), network.category_index("daisy"), levels / 255

    def margin_of(image):
        logits = network(image)[0]
        return logits[daisy] - torch.cat([logits[:daisy], logits[daisy + 1 :]]).max()

    change = torch.zeros_like(flower)
    for _ in range(steps):
        change.requires_grad_(True)
        (gradient,) = torch.autograd.grad(margin_of((flower + change).clamp(0, 1)), change)
        with torch.no_grad():
            change = (change - budget / 4 * gradient.sign()).clamp(-budget, budget)
            image = to_8bit(flower + change)
            if margin_of(image) < -4:
                break
    return image


def mix(flower, noise):
    return (load_image("flower.png") + 0.12 * (2 * load_image("what_is_it.png") - 1)).clamp(0, 1)


def craft(network, flower):
    return attack(network, flower)
