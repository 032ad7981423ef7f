# %%
import torch

from netlens_core.images import to_8bit


# %% nbgrader={"grade_id": "mix"}
def mix(flower, noise, amplitude=0.12):
    """The flower with a veil of noise over it: a person sees a flower, the network does not."""
    return (flower + amplitude * (2 * noise - 1)).clamp(0, 1)


# %% nbgrader={"grade_id": "craft"}
def craft(network, flower, levels=3, steps=40):
    """Projected gradient descent on the margin, with a budget of a few levels for each pixel."""
    network = network.folded()
    daisy = network.category_index("daisy")
    budget = levels / 255

    def margin_of(image):
        logits = network(image)[0]
        return logits[daisy] - torch.cat([logits[:daisy], logits[daisy + 1 :]]).max()

    change = torch.zeros_like(flower)
    for _ in range(steps):
        change.requires_grad_(True)
        margin = margin_of((flower + change).clamp(0, 1))
        (gradient,) = torch.autograd.grad(margin, change)
        with torch.no_grad():
            change = (change - budget / 4 * gradient.sign()).clamp(-budget, budget)
            adversarial = to_8bit(flower + change)
            if margin_of(adversarial) < -4:
                break
    return adversarial
