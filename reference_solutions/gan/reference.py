# %%
import copy

import torch
from torch import nn
from torch.nn import functional

LATENT = 32


# %% nbgrader={"grade_id": "losses"}
def discriminator_loss(on_real, on_drawn):
    """Low where the discriminator says "real" of real images and "drawn" of drawings."""
    return functional.softplus(-on_real).mean() + functional.softplus(on_drawn).mean()


def generator_loss(on_drawn):
    """Low where the discriminator takes drawings for real."""
    return functional.softplus(-on_drawn).mean()


# %% nbgrader={"grade_id": "networks"}
def make_generator():
    return nn.Sequential(
        nn.Linear(LATENT, 128, bias=False),
        nn.BatchNorm1d(128),
        nn.ReLU(),
        nn.Linear(128, 256, bias=False),
        nn.BatchNorm1d(256),
        nn.ReLU(),
        nn.Linear(256, 64),
        nn.Sigmoid(),
        nn.Unflatten(1, (1, 8, 8)),
    )


def make_discriminator():
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 256),
        nn.LeakyReLU(0.2),
        nn.Linear(256, 128),
        nn.LeakyReLU(0.2),
        nn.Linear(128, 1),
    )


# %% nbgrader={"grade_id": "train"}
trained = {}


def train(images, steps=3000, batch=64):
    """Both networks from scratch; a moving average of the generator's weights is what draws in the end."""
    generator, discriminator = make_generator(), make_discriminator()
    average = copy.deepcopy(generator)
    drawing, telling = (
        torch.optim.Adam(network.parameters(), 1e-3, (0.5, 0.99), fused=True) for network in (generator, discriminator)
    )
    history = []
    for step in range(steps):
        real = images[torch.randint(len(images), (batch,))]
        drawn = generator(torch.randn(batch, LATENT))

        telling.zero_grad()
        loss_d = discriminator_loss(discriminator(real), discriminator(drawn.detach()))
        loss_d.backward()
        telling.step()

        drawing.zero_grad()
        loss_g = generator_loss(discriminator(drawn))
        loss_g.backward()
        drawing.step()

        keep = min(0.995, (1 + step) / (10 + step))
        with torch.no_grad():
            for ours, theirs in zip(average.state_dict().values(), generator.state_dict().values()):
                if ours.is_floating_point():
                    ours.lerp_(theirs, 1 - keep)
        history.append({"generator": loss_g.item(), "discriminator": loss_d.item()})
    trained["generator"] = average.eval()
    return history


# %% nbgrader={"grade_id": "sample"}
@torch.no_grad()
def sample(count):
    """New drawings, each from latent numbers of its own."""
    return trained["generator"](torch.randn(count, LATENT))
