# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A daisy that people see and the network does not
#
# An **adversarial image** is made so that a person and a network part ways over it: you see a daisy, the network
# swears to a flamingo. Such images are no accident of one network. Every network that has been tried can be fooled
# like this, and the reason tells much about how they see.
#
# You fool the network in two ways. First you lay `what_is_it.png`, the noise of the last exercise, over your own
# flower: a **mix**. Then you let the network itself tell you how to change the flower, and **craft** the smallest
# change that does. It takes about an hour and a half.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import matplotlib.pyplot as plt
import torch

from netlens_core.daisies import draw_daisy
from netlens_core.images import load_image, to_8bit
from netlens_core.networks import load_network

network = load_network("efficientnet_lite0")
flower = load_image("flower.png")  # yours alone: everybody has another one
noise = load_image("what_is_it.png")


def show(pictures):
    """Show images (3, H, W) in [0, 1] side by side: a dict of title -> image."""
    _, axes = plt.subplots(1, len(pictures), figsize=(3.4 * len(pictures), 3.6), squeeze=False)
    for axis, (title, picture) in zip(axes[0], pictures.items()):
        axis.imshow(picture.permute(1, 2, 0))
        axis.set_title(title)
        axis.axis("off")
    plt.show()


# %% nbgrader={"grade": false, "grade_id": "look", "locked": true, "schema_version": 3, "solution": false, "task": false}
show({"flower.png": flower, "what_is_it.png": noise})
for title, picture in {"flower": flower, "noise": noise}.items():
    print(title, [(category, round(probability, 3)) for category, probability in network.classify(picture, k=3)])

# %% [markdown]
# ## Measuring what an eye would miss
#
# Both tasks need numbers for "a person sees no difference". Three are used here and in grading, always on the image
# as a file would hold it, rounded to 256 levels (`to_8bit`):
#
# - **Structural similarity** (SSIM; Wang, Bovik, Sheikh and Simoncelli, 2004) compares brightness, contrast and
#   pattern of two images in a small window that slides over them. 1: equal. It falls when noise covers a picture, and
#   when a picture is moved or mirrored.
# - The **largest change of a pixel** in levels of 255, also called the distance in L-infinity.
# - Grading asks a **jury** as well: other networks, which your image was not made against, stand in for human eyes.
#   In this notebook you are the jury.
#
# Warm-up: guess the three similarities before you run this.


# %% nbgrader={"grade": false, "grade_id": "measures", "locked": true, "schema_version": 3, "solution": false, "task": false}
def structural_similarity(image, original):
    """Mean structural similarity of two images (3, H, W) in [0, 1], window of 11 pixels."""
    bell = torch.exp(-(torch.arange(-5.0, 6.0) ** 2) / (2 * 1.5**2))
    window = torch.outer(bell, bell)[None, None] / bell.sum() ** 2

    def local_mean(values):
        return torch.nn.functional.conv2d(values[:, None], window)

    a, b = local_mean(image), local_mean(original)
    variance_a, variance_b = local_mean(image**2) - a**2, local_mean(original**2) - b**2
    covariance = local_mean(image * original) - a * b
    brightness = (2 * a * b + 0.01**2) / (a**2 + b**2 + 0.01**2)
    pattern = (2 * covariance + 0.03**2) / (variance_a + variance_b + 0.03**2)
    return float((brightness * pattern).mean())


def largest_change(image, original):
    """The largest change of any pixel, in levels of 255, once both images are rounded to 8 bits."""
    return round(float((to_8bit(image) - to_8bit(original)).abs().max() * 255))


brighter = (flower + 0.05).clamp(0, 1)
shifted = flower.roll(3, dims=2)
mirrored = flower.flip(2)
show({"brighter": brighter, "shifted by 3 pixels": shifted, "mirrored": mirrored})
for title, picture in {"brighter": brighter, "shifted": shifted, "mirrored": mirrored}.items():
    similarity, change = structural_similarity(picture, flower), largest_change(picture, flower)
    print(f"{title:10} similarity {similarity:.2f}, largest change {change} levels")

# %% [markdown]
# ## First task: `mix`
#
# To the network, `what_is_it.png` is a flamingo beyond doubt. What if a little of it lies over the flower?
#
# Noise darkens where it is below mid-grey (0.5) and brightens where it is above. Laid over the flower with a small
# *amplitude*, it becomes a veil that you look through. Find out how strong it has to be: strong enough that the
# network no longer sees the daisy, faint enough that you do.


# %% nbgrader={"grade": false, "grade_id": "mix", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mix(flower, noise, amplitude=0.12):
    """The flower with a veil of noise over it: a person sees a flower, the network does not."""
    return (flower + amplitude * (2 * noise - 1)).clamp(0, 1)


# %% [markdown]
# Try several amplitudes. Where does the network give way, and where do you?

# %% nbgrader={"grade": false, "grade_id": "amplitudes", "locked": true, "schema_version": 3, "solution": false, "task": false}
mixes = {f"amplitude {amplitude}": mix(flower, noise, amplitude) for amplitude in (0.03, 0.06, 0.12, 0.3)}
show(mixes)
for title, picture in mixes.items():
    best = network.classify(to_8bit(picture), k=1)
    print(f"{title:15} similarity {structural_similarity(picture, flower):.2f}, network says", best)

# %% [markdown]
# Question on the way: the veil is far fainter than the flower. Why does it outweigh the flower for the network, and
# not for you?
#
# ### Check: the network does not see the flower in your mix

# %% nbgrader={"grade": true, "grade_id": "test_mix_fools_the_network", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
mixed = to_8bit(mix(flower, noise))
show({"your mix": mixed})
daisy = network.probability(mixed, "daisy")
print(f"the network: daisy {daisy:.3f};", network.classify(mixed, k=3))

assert daisy <= 0.10, f"the network still sees a daisy, with probability {daisy:.2f}: at most 0.10 is wanted"

# %% [markdown]
# ### Check: you do

# %% nbgrader={"grade": true, "grade_id": "test_mix_shows_the_flower", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
similarity = structural_similarity(mixed, flower)
print(f"similarity to the flower {similarity:.2f}")

assert mixed.shape == flower.shape, "the mix has another shape than the flower"
assert similarity >= 0.40, f"too little is left of the flower: a similarity of at least 0.40 is wanted"
assert similarity < 0.99, "this is the flower, not a mix"

# %% [markdown]
# ## Second task: `craft`
#
# The noise was made for any flower. A change made for *your* flower can be so small that nobody sees it.
#
# The network is a function of the image, so you can ask it for its **gradient**: for each of the 150,528 numbers of
# the image, in which direction does the daisy lose? Training follows the gradient with the weights and leaves the
# images alone. You do the opposite.
#
# 1. **What to lower.** The *margin*: the logit of daisy minus the largest of all other logits. As long as it is
#    positive, daisy is the network's answer.
# 2. **How to step.** Only the sign of the gradient counts. Every pixel takes one small step of the same length, down
#    or up: 1/255, say. That is the fast gradient sign method (Goodfellow, Shlens and Szegedy, 2015).
# 3. **How to stay near.** After each step, clamp the *change* to a budget, such as 4/255 for every pixel, and the
#    image to [0, 1]. Many small steps, each followed by this projection, are **projected gradient descent** (Madry,
#    Makelov, Schmidt, Tsipras and Vladu, 2018).
# 4. **When to stop.** Not as soon as the margin falls below 0: the network should be sure of its mistake. And look at
#    the *rounded* image: a change of half a level is gone when the image is saved.
#
# In torch: `change.requires_grad_(True)` before you compute the margin from `flower + change`, then
# `torch.autograd.grad(margin, change)`. The network's weights are frozen and need nothing. `network.folded()` answers
# like `network` and gives gradients about twice as fast.


# %% nbgrader={"grade": false, "grade_id": "craft", "locked": false, "schema_version": 3, "solution": true, "task": false}
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


# %% [markdown]
# ### Check: the network is fooled

# %% nbgrader={"grade": true, "grade_id": "test_network_is_fooled", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
adversarial = to_8bit(craft(network, flower))
assert adversarial.shape == flower.shape, "the image has another shape than the flower"
show({"flower": flower, "yours": adversarial, "change, 20 times": (0.5 + 20 * (adversarial - flower)).clamp(0, 1)})
daisy = network.probability(adversarial, "daisy")
print(f"the network: daisy {daisy:.3f};", network.classify(adversarial, k=3))

assert daisy <= 0.10, f"the network still sees a daisy, with probability {daisy:.2f}: at most 0.10 is wanted"

# %% [markdown]
# ### Check: you are not

# %% nbgrader={"grade": true, "grade_id": "test_people_still_see_a_daisy", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
similarity, change = structural_similarity(adversarial, flower), largest_change(adversarial, flower)
print(f"similarity to the flower {similarity:.3f}, largest change {change} levels")

assert similarity >= 0.93, f"the change shows: a similarity of at least 0.93 is wanted, not {similarity:.2f}"
assert change <= 16, f"some pixels stand out: at most 16 levels are wanted, not {change}"

# %% [markdown]
# ### Check: flowers that your function has never seen
#
# The last check draws two new daisies. Grading draws two others.

# %% nbgrader={"grade": true, "grade_id": "test_hidden_flowers", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
for color in ("white", "yellow"):
    other = draw_daisy(seed=5, color=color).image
    crafted = to_8bit(craft(network, other))
    daisy, similarity = network.probability(crafted, "daisy"), structural_similarity(crafted, other)
    print(f"{color:7} daisy {daisy:.3f}, similarity {similarity:.3f}, change {largest_change(crafted, other)} levels")
    assert daisy <= 0.10 and similarity >= 0.93 and largest_change(crafted, other) <= 16, f"not the {color} daisy"

# %% [markdown]
# ## Star task (no points)
#
# - How small can the budget get before `craft` fails? What does that say about the distance from a daisy to the
#   nearest image that is none, as the network sees it?
# - Choose the mistake: lower the margin of "flamingo" over all others, with the sign turned round.
# - Shift your image by one pixel, blur it a little, save it as JPEG: is the network still fooled? Would an image that
#   survives all this still be invisible to you?

# %% nbgrader={"grade": false, "grade_id": "star", "locked": false, "schema_version": 3, "solution": true, "task": false}
# Your own experiments.
