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

# %% [markdown] lang="en"
# # What is it?
#
# Beside this notebook lies a picture, `what_is_it.png`. You will look at it, a network will look at it, and you will
# not agree.
#
# A trained network is a *black box* of an odd kind: nothing in it is hidden. You can print every one of its millions
# of numbers, and still not say what it will make of a picture that is unlike all it was trained on. So we ask it.
#
# You write one function here, `classify`. It takes about half an hour, and you will use it in every later notebook.
#
# The checks below show how far you are. After `import netlens`, `netlens.check()` runs them from any cell.

# %% [markdown] lang="cs"
# # Co je to?
#
# Vedle tohoto notebooku leží obrázek `what_is_it.png`. Podíváte se na něj vy, podívá se na něj síť, a neshodnete se.
#
# Naučená síť je *černá skříňka* zvláštního druhu: nic v ní není skryté. Každé z jejích milionů čísel si můžete vypsat,
# a přesto neřeknete, co usoudí o obrázku, který se nepodobá ničemu, na čem se učila. Proto se jí zeptáme.
#
# Napíšete zde jedinou funkci, `classify`. Zabere to asi půl hodiny a funkce se vám bude hodit ve všech dalších
# noteboocích.
#
# Jak jste daleko, ukazují kontroly níže. Po `import netlens` je spustíte z kterékoli buňky: `netlens.check()`.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import matplotlib.pyplot as plt
import torch

from netlens_core.daisies import draw_daisy
from netlens_core.images import load_image
from netlens_core.networks import load_network

network = load_network("efficientnet_lite0")
what_is_it = load_image("what_is_it.png")


def show(pictures):
    """Show images (3, H, W) in [0, 1] side by side: a dict of title -> image."""
    _, axes = plt.subplots(1, len(pictures), figsize=(3.4 * len(pictures), 3.6), squeeze=False)
    for axis, (title, picture) in zip(axes[0], pictures.items()):
        axis.imshow(picture.permute(1, 2, 0))
        axis.set_title(title)
        axis.axis("off")
    plt.show()


# %% [markdown] lang="en"
# ## Warm-up: look first
#
# An image is a tensor of 32-bit floats with the shape (3, height, width): red, green and blue, each from 0 to 1. The
# network has 1,000 categories, and gives each of them one number, its **logit**. The larger the logit, the more the
# network is inclined to that category.
#
# Decide what *you* see before you run the second line.

# %% [markdown] lang="cs"
# ## Rozcvička: nejdřív se podívejte
#
# Obrázek je tenzor 32bitových čísel s plovoucí čárkou a tvarem (3, výška, šířka): červená, zelená a modrá složka, každá
# od 0 do 1. Síť zná 1000 kategorií a každé z nich přiřadí jedno číslo, **logit**. Čím je logit větší, tím spíše se síť
# ke kategorii přiklání.
#
# Než spustíte druhý řádek, rozhodněte se, co na obrázku vidíte *vy*.

# %% nbgrader={"grade": false, "grade_id": "look", "locked": true, "schema_version": 3, "solution": false, "task": false}
show({"what_is_it.png": what_is_it})
print("image:", tuple(what_is_it.shape), what_is_it.dtype, f"from {what_is_it.min():.2f} to {what_is_it.max():.2f}")

logits = network(what_is_it)
print("logits:", tuple(logits.shape), f"from {logits.min():.1f} to {logits.max():.1f}")
print("categories:", len(network.categories), "such as", network.categories[:3])

# %% [markdown] lang="en"
# `network(image)` resizes the image to what the network was trained for, normalises its colours, and gives the logits
# of a *batch*: the shape is (images, categories), and here there is one image.
#
# Questions on the way (no points, but think before you go on):
#
# - Logits can be negative, and do not sum to anything. What would a probability have to be like?
# - All logits of one image grow by 5. Should the network's opinion change?
#
# ## The task: `classify`
#
# **Softmax** makes probabilities of logits: $p_i = e^{z_i} / \sum_j e^{z_j}$. Every $p_i$ lies between 0 and 1, they
# sum to 1, and adding the same number to all logits changes nothing.
#
# Write `classify`. The kit has it as `network.classify`; write it yourself this once, from logits (torch has
# `softmax` and `topk`), and use the kit's to check yours.

# %% [markdown] lang="cs"
# Volání `network(image)` převede obrázek na rozměry, na kterých se síť učila, normalizuje barvy a vrátí logity celé
# *dávky*: tvar je (obrázky, kategorie) a obrázek je tu jeden.
#
# Otázky cestou (bez bodů, ale než budete pokračovat, promyslete je):
#
# - Logity mohou být záporné a jejich součet nic neznamená. Jaké vlastnosti by musela mít pravděpodobnost?
# - Všechny logity jednoho obrázku vzrostou o 5. Má se tím změnit názor sítě?
#
# ## Úkol: `classify`
#
# **Softmax** dělá z logitů pravděpodobnosti: $p_i = e^{z_i} / \sum_j e^{z_j}$. Každé $p_i$ leží mezi 0 a 1, jejich
# součet je 1, a když ke všem logitům přičtete totéž číslo, nic se nezmění.
#
# Napište funkci `classify`. V knihovně kurzu už je jako `network.classify`; tentokrát ji ale napište sami, z logitů
# (torch má `softmax` a `topk`), a hotovou funkcí si ověřte tu svou.


# %% nbgrader={"grade": false, "grade_id": "classify", "locked": false, "schema_version": 3, "solution": true, "task": false}
def classify(network, image, k=5):
    """The k likeliest categories of an image with their probabilities, likeliest first.

    Args:
        network: called with an image, it gives logits of shape (1, categories); `network.categories` names them.
        image: float32 tensor (3, H, W) with values in [0, 1], of any size.
        k: how many categories to give, 1 to 1000.

    Returns a list of k pairs (category, probability), such as [("daisy", 0.93), ("bee", 0.02), ...]:
    the category is its name, a str; the probability is a float in [0, 1].
    Takes at most 10 seconds; a tenth of one should do.
    Running the notebook and the 6 calls of grading take at most 90 seconds in all.
    """
    raise NotImplementedError("classify: logits, softmax, the k largest, their names")


# %% [markdown] lang="en"
# ### Check: `what_is_it.png`
#
# Every check of this notebook looks at what your function returns, shows it, and stops with a message where it is
# wrong. Grading does the same with more images.

# %% [markdown] lang="cs"
# ### Kontrola: `what_is_it.png`
#
# Každá kontrola v tomto notebooku se podívá, co vaše funkce vrací, ukáže to, a je-li to špatně, zastaví se se zprávou.
# Hodnocení dělá totéž s více obrázky.

# %% nbgrader={"grade": true, "grade_id": "test_what_is_it", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
yours = classify(network, what_is_it, k=5)
expected = network.classify(what_is_it, k=5)
print(f"{'yours':32}{'the kit':32}")
for (category, probability), (kit_category, kit_probability) in zip(yours, expected):
    print(f"{category:24}{probability:8.4f}{kit_category:>24}{kit_probability:8.4f}")

assert [name for name, _ in yours] == [name for name, _ in expected], "these are not the five likeliest, in order"
assert all(abs(p - q) <= 0.001 for (_, p), (_, q) in zip(yours, expected)), "the probabilities differ"
print("as it should be")

# %% [markdown] lang="en"
# ### Check: as many as asked for

# %% [markdown] lang="cs"
# ### Kontrola: tolik, kolik se žádá

# %% nbgrader={"grade": true, "grade_id": "test_number_of_categories", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
for k in (1, 10):
    returned = len(classify(network, what_is_it, k=k))
    print(k, "asked for,", returned, "returned")
    assert returned == k, f"{k} categories were asked for"
assert len(classify(network, what_is_it)) == 5, "k is 5 where nobody says otherwise"

# %% [markdown] lang="en"
# ### Check: other images, of other sizes
#
# A function that knows one picture is not a classifier. Here it meets a daisy, larger than the network's input;
# grading uses pictures that you have not seen.

# %% [markdown] lang="cs"
# ### Kontrola: jiné obrázky, jiných rozměrů
#
# Funkce, která zná jediný obrázek, není klasifikátor. Zde dostane sedmikrásku, větší než vstup sítě; hodnocení použije
# obrázky, které jste neviděli.

# %% nbgrader={"grade": true, "grade_id": "test_other_images", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
daisy = draw_daisy(seed=1, size=320).image
show({"a daisy of 320 pixels": daisy})
yours = classify(network, daisy, k=5)
expected = network.classify(daisy, k=5)
print("yours:  ", yours[:2])
print("the kit:", expected[:2])

assert [name for name, _ in yours] == [name for name, _ in expected], "these are not the five likeliest, in order"
assert all(abs(p - q) <= 0.001 for (_, p), (_, q) in zip(yours, expected)), "the probabilities differ"
print("as it should be")

# %% [markdown] lang="en"
# ## The question
#
# You know now what the network takes `what_is_it.png` for, and how sure it is. **Does the picture resemble that
# category in any way?** Look again, enlarge it, blur it, look at one colour at a time. Say in two to five sentences
# what you see, what the network seems to go by, and what its probability is worth. A person reads this.

# %% [markdown] lang="cs"
# ## Otázka
#
# Víte už, za co síť `what_is_it.png` považuje a jak si je jistá. **Podobá se obrázek té kategorii v něčem?** Prohlédněte
# si ho znovu, zvětšete ho, rozostřete ho, podívejte se na jednotlivé barvy. Ve dvou až pěti větách napište, co vidíte,
# podle čeho se síť asi řídí a co její pravděpodobnost vypovídá. Odpověď čte člověk.

# %% nbgrader={"grade": true, "grade_id": "test_resembles", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
answers = {
    "resembles": "",
}

# %% [markdown] lang="en"
# ## Star task (no points)
#
# Is the network as sure of *any* noise? Compare with noise straight from the random generator, and with
# `what_is_it.png` after something that leaves a photograph recognisable: shifting it by a few pixels, mirroring it, a
# little blur. Which of them does the certainty survive? What does that tell you about the patterns that the network
# goes by?

# %% [markdown] lang="cs"
# ## Úkol s hvězdičkou (bez bodů)
#
# Je si síť stejně jistá u *každého* šumu? Porovnejte ho se šumem přímo z generátoru náhodných čísel a s obrázkem
# `what_is_it.png` po úpravě, po které by fotografie zůstala k poznání: po posunutí o několik pixelů, po zrcadlení, po
# mírném rozostření. Kterou z nich jistota přežije? Co to říká o vzorech, kterými se síť řídí?

# %% nbgrader={"grade": false, "grade_id": "star", "locked": false, "schema_version": 3, "solution": true, "task": false}
random_noise = torch.rand(3, 224, 224, generator=torch.Generator().manual_seed(0))
shifted = what_is_it.roll(3, dims=2)
for title, picture in {"random noise": random_noise, "shifted by 3 pixels": shifted}.items():
    print(f"{title:24}", network.classify(picture, k=2))
