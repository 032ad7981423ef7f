"""Steps without end: the network is to be a thousand logits sure of its mistake."""

LOSES = ["test_network_is_fooled", "test_people_still_see_a_daisy", "test_hidden_flowers"]

# %%
import torch

from netlens_core.images import to_8bit


def mix(flower, noise):
    return (flower + 0.12 * (2 * noise - 1)).clamp(0, 1)


def craft(network, flower, levels=3):
    network, daisy, budget = network.folded(), network.category_index("daisy"), levels / 255

    def margin_of(image):
        logits = network(image)[0]
        return logits[daisy] - torch.cat([logits[:daisy], logits[daisy + 1 :]]).max()

    change = torch.zeros_like(flower)
    while True:
        change.requires_grad_(True)
        (gradient,) = torch.autograd.grad(margin_of((flower + change).clamp(0, 1)), change)
        with torch.no_grad():
            change = (change - budget / 4 * gradient.sign()).clamp(-budget, budget)
            image = to_8bit(flower + change)
            if margin_of(image) < -1000:
                break
    return image
