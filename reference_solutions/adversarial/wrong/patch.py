"""A small patch in a corner that holds the whole attack: similar on average, and plain to see."""

LOSES = ["test_people_still_see_a_daisy", "test_hidden_flowers"]

# %%
import torch


def mix(flower, noise):
    return (flower + 0.12 * (2 * noise - 1)).clamp(0, 1)


def craft(network, flower, side=48, steps=400):
    network, daisy = network.folded(), network.category_index("daisy")
    mask = torch.zeros_like(flower)
    mask[:, 4 : 4 + side, 4 : 4 + side] = 1
    patch = torch.full_like(flower, 0.5)
    for _ in range(steps):
        patch.requires_grad_(True)
        image = flower * (1 - mask) + patch * mask
        logits = network(image)[0]
        margin = logits[daisy] - torch.cat([logits[:daisy], logits[daisy + 1 :]]).max()
        if margin < -4:
            break
        (gradient,) = torch.autograd.grad(margin, patch)
        patch = (patch.detach() - 0.04 * gradient.sign()).clamp(0, 1)
    return image.detach()
