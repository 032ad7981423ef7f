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
# # What a layer sees
#
# A trained network is a **black box** of an odd kind. Nothing in it is hidden: you can print every one of its millions
# of numbers. What stays hidden is what they *mean*. If they were all different and the network answered just as well,
# nobody would notice.
#
# So we ask the network while it works. A convolution slides a small filter over the image and answers, at every place,
# how much of its pattern it finds there. These answers are its **activations**: one grey picture for each filter, a
# *channel*. The first filters see a few pixels at a time, and no more than a colour or an edge fits into so small a
# window. Later layers look at the answers of earlier ones: they combine edges into corners and patterns, these into
# petals, and each of them sees a larger part of the image than the one before.
#
# You write two functions: one that takes the activations of the third convolution out of any network, and one that
# lays them out as a **montage**, so that all of them can be seen at once. It takes about an hour and a half.
#
# The checks below show how far you are. After `import netlens`, `netlens.check()` runs them from any cell.

# %% [markdown] lang="cs"
# # Co vidí vrstva
#
# Natrénovaná síť je **černá skříňka** zvláštního druhu. Není v ní nic tajného: každé z jejích milionů čísel si můžete
# vypsat. Skryté zůstává, co ta čísla *znamenají*. Kdyby byla všechna jiná a síť odpovídala stejně dobře, nikdo by si
# ničeho nevšiml.
#
# Zeptáme se tedy sítě přímo při práci. Konvoluce posouvá po obrázku malý filtr a na každém místě odpoví, nakolik tam
# našla svůj vzor. Těmto odpovědím se říká **aktivace**: za každý filtr jeden šedý obrázek, *kanál*. První filtry vidí
# najednou jen několik pixelů a do tak malého okénka se víc než barva nebo hrana nevejde. Pozdější vrstvy se dívají na
# odpovědi těch předchozích: z hran skládají rohy a vzory, z nich okvětní lístky a každá vidí větší část obrázku než
# vrstva před ní.
#
# Napíšete dvě funkce: jedna vyjme z libovolné sítě aktivace třetí konvoluce, druhá je poskládá do **mozaiky** (montage),
# aby byly vidět všechny najednou. Zabere to asi hodinu a půl.
#
# Jak jste daleko, ukazují kontroly níže. Po `import netlens` je spustíte z kterékoli buňky: `netlens.check()`.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math

import matplotlib.pyplot as plt
import torch

from netlens_core.daisies import draw_daisy
from netlens_core.images import load_image
from netlens_core.networks import load_network

network = load_network("efficientnet_lite0")
flower = load_image("flower.png")  # yours alone: everybody has another one


def show(pictures, columns=4, side=3.2):
    """Show pictures in a grid, colour (3, H, W) or grey (H, W): a dict of title -> picture."""
    rows = math.ceil(len(pictures) / columns)
    _, axes = plt.subplots(rows, min(columns, len(pictures)), figsize=(side * columns, side * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (title, picture) in zip(axes.flat, pictures.items()):
        axis.imshow(picture.permute(1, 2, 0) if picture.dim() == 3 else picture, cmap="gray")
        axis.set_title(title)
    plt.show()


# %% [markdown] lang="en"
# ## Warm-up: the first convolution
#
# Every layer of a network is a `torch.nn.Module`, and every module lets you listen in: a **forward hook** is a function
# that torch calls each time the module has computed, with the module, its inputs and its output.
#
# The next cell puts a hook on every convolution, sends your flower through the network and prints what went by. The
# hook of the first one also keeps what it hears. Read the cell line by line: you need each of these lines again.

# %% [markdown] lang="cs"
# ## Rozcvička: první konvoluce
#
# Každá vrstva sítě je `torch.nn.Module` a každý modul dovoluje naslouchat. Slouží k tomu **forward hook**, doslova háček:
# funkce, kterou torch zavolá pokaždé, když modul něco spočítá. Předá jí modul, jeho vstupy a jeho výstup.
#
# Následující buňka pověsí háček na každou konvoluci, pošle sítí vaši květinu a vypíše, co kolem háčků prošlo. Háček první
# konvoluce si navíc uloží, co slyšel. Přečtěte si buňku řádek po řádku: každý z nich budete ještě potřebovat.

# %% nbgrader={"grade": false, "grade_id": "listen", "locked": true, "schema_version": 3, "solution": false, "task": false}
heard = []


def listen(layer, inputs, output):
    print(f"{type(layer).__name__:12} {tuple(inputs[0].shape)!s:20} -> {tuple(output.shape)}")
    if not heard:
        heard.append(output)


layers = [module for module in network.module.modules() if isinstance(module, torch.nn.Conv2d)]
hooks = [layer.register_forward_hook(listen) for layer in layers]
with torch.no_grad():  # nothing is trained here
    batch = network.normalize(flower[None])  # the bare module wants a batch, normalised as the network is used to
    network.module(batch)
for hook in hooks:
    hook.remove()  # otherwise it listens for ever

first = heard[0][0]
print(f"\nThe first convolution gives {tuple(first.shape)}: channels, height, width.")


# %% nbgrader={"grade": false, "grade_id": "first_channels", "locked": true, "schema_version": 3, "solution": false, "task": false}
channels = [0, 1, 2, 3]
filters = layers[0].weight.detach()
filters = (0.5 + 0.5 * filters / filters.abs().amax((1, 2, 3), keepdim=True)).clamp(0, 1)  # grey is 0
show({"flower.png": flower} | {f"channel {number}": first[number] for number in channels}, columns=5)
show({f"filter {number}": filters[number] for number in channels}, columns=5)

# %% [markdown] lang="en"
# Questions on the way:
#
# - Change which channels are shown. Do you find one in which the petals are white all over, and one in which only the
#   meadow is? Which colour do their filters ask for?
# - Which channels show edges of one direction only?
# - Height and width are half of the flower's. Where does that come from?
# - Every filter was learnt. Nobody told the network to look for edges: why do all trained networks?

# %% [markdown] lang="cs"
# Otázky cestou:
#
# - Nechte si zobrazit jiné kanály. Najdete takový, ve kterém jsou okvětní lístky celé bílé, a takový, ve kterém svítí jen
#   louka? Na jakou barvu se jejich filtry ptají?
# - Které kanály ukazují jen hrany jednoho směru?
# - Výška a šířka jsou poloviční než u květiny. Čím to je?
# - Každý filtr se síť naučila. Nikdo jí neřekl, aby hledala hrany: proč je hledají všechny natrénované sítě?

# %% [markdown] lang="en"
# ## First task: `third_layer_activations`
#
# Now the third convolution, and not only of this network. Four things are easily overlooked:
#
# 1. **Which one is the third?** Networks name their layers as they please. Count the convolutions as the image
#    passes them; a name that you read somewhere is wrong for the next network.
# 2. **Before the ReLU.** In many networks the ReLU after a convolution works *in place*: it saves memory by writing over
#    the very tensor that your hook was given. What you kept changes behind your back, and all that was below zero
#    is gone. `output.clone()` keeps a copy.
# 3. **Any size.** A filter slides over whatever it is given, also over an image larger than those that the network was
#    trained with. Do not resize the image: the answer grows with it.
# 4. **Leave the network as it was.** Remove your hooks, even when something fails (`try: … finally: …`), and do not touch
#    training mode: in training, batch normalisation uses the statistics of this one image and forgets what it has learnt.

# %% [markdown] lang="cs"
# ## První úkol: `third_layer_activations`
#
# Teď třetí konvoluce, a nejen této sítě. Čtyři věci se snadno přehlédnou:
#
# 1. **Která je třetí?** Sítě si vrstvy pojmenovávají, jak chtějí. Počítejte konvoluce tak, jak jimi obrázek prochází;
#    jméno, které jste někde vyčetli, u další sítě neplatí.
# 2. **Před ReLU.** V mnoha sítích pracuje ReLU za konvolucí *na místě* (in place): šetří paměť tím, že přepíše právě ten
#    tenzor, který dostal váš háček. Co jste si uložili, se vám změní za zády a vše záporné je pryč. `output.clone()`
#    uloží kopii.
# 3. **Libovolná velikost.** Filtr klouže po všem, co dostane, i po obrázku větším, než na jakých se síť učila. Velikost
#    obrázku neměňte: odpověď roste s ním.
# 4. **Síť nechte, jak byla.** Háčky odstraňte, i když něco selže (`try: … finally: …`), a nezapínejte trénovací režim:
#    v něm dávková normalizace počítá se statistikou tohoto jediného obrázku a zapomíná, co se naučila.


# %% nbgrader={"grade": false, "grade_id": "third_layer_activations", "locked": false, "schema_version": 3, "solution": true, "task": false}
def third_layer_activations(network, image):
    """What the third convolution of a network answers to an image.

    Args:
        network: any network of `load_network`. `network.module` is the bare module: it takes a batch (N, 3, H, W) of
            normalised images. `network.normalize(images)` normalises as this network wants it.
        image: float32 tensor (3, H, W) with values in [0, 1], of any size.

    Returns a float32 tensor (C, H', W'), without the batch: the output of the third `torch.nn.Conv2d` that computes,
        before any batch normalisation or ReLU, for the image as it is, not resized.
    Takes at most 12 seconds; a tenth of one should do.
    Running the notebook and the 9 calls of grading take at most 170 seconds in all.
    """
    raise NotImplementedError(
        "third_layer_activations: hooks on the convolutions, a pass of the image, the third answer"
    )


# %% [markdown] lang="en"
# ### Check: your flower
#
# The checks compare with `network.activations(image, name)`, which networks offer for layers whose name you know.

# %% [markdown] lang="cs"
# ### Kontrola: vaše květina
#
# Kontroly porovnávají s `network.activations(image, name)`, kterou síť nabízí pro vrstvy, jejichž jméno znáte.


# %% nbgrader={"grade": true, "grade_id": "test_third_convolution", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def compare(network, image):
    """Print how far your activations are the network's own, and require that they are equal."""
    name = network.layers(torch.nn.Conv2d)[2]
    own, yours = network.activations(image, name), third_layer_activations(network, image)
    print(f"{network.name}, {name}: {tuple(own.shape)} is wanted, {tuple(yours.shape)} is yours")
    assert yours.shape == own.shape, "another shape than the network's own activations: batch, order of axes, size?"
    error = float((yours - own).norm() / own.norm())
    print(f"error, as a share of the activations: {error:.4f}")
    assert error <= 0.01, "other values: normalised? before the ReLU? network not in training mode?"
    return yours


third = compare(network, flower)
show({f"channel {number}": third[number] for number in range(4)})


# %% [markdown] lang="en"
# ### Check: other sizes

# %% [markdown] lang="cs"
# ### Kontrola: jiné velikosti

# %% nbgrader={"grade": true, "grade_id": "test_other_sizes", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
large = draw_daisy(seed=5, size=400).image
for image in (large, large[:, :180, :180], large[:, :, 100:300]):
    compare(network, image)

# %% [markdown] lang="en"
# ### Check: other networks
#
# Their weights are random, so their pictures mean nothing; their layers and shapes are real. Grading brings others.

# %% [markdown] lang="cs"
# ### Kontrola: jiné sítě
#
# Jejich váhy jsou náhodné, takže jejich obrázky nic neznamenají; vrstvy a rozměry jsou skutečné. Při hodnocení přijdou na
# řadu jiné.

# %% nbgrader={"grade": true, "grade_id": "test_other_networks", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
for name in ("untrained:squeezenet1_1", "untrained:shufflenet_v2_x0_5"):
    compare(load_network(name), large)

# %% [markdown] lang="en"
# ## Second task: `montage`
#
# Four channels at a time is a keyhole. A montage shows all of them: one tile for each, in a grid that is about square.
#
# 1. **Stretch each channel by itself**, its least value to black (0) and its largest to white (1). With one scale for
#    all, most tiles would be plain grey: some channels answer a hundred times as strongly as others. Beware of a channel
#    that is the same everywhere: its range is 0.
# 2. **Lay out the grid.** How many columns make it about square? What if the tiles do not fill the last row?
# 3. **Leave a narrow gap** between tiles, so that one sees where a channel ends. Width and colour are up to you.
#
# Begin with plain loops and slices: `picture[top : top + height, left : left + width] = tile`. Whoever likes riddles does
# without loops, with `unflatten`, `permute` and `flatten`, and finds out why `reshape` alone tears the tiles apart.

# %% [markdown] lang="cs"
# ## Druhý úkol: `montage`
#
# Dívat se na čtyři kanály najednou je jako dívat se klíčovou dírkou. Mozaika ukáže všechny: každý kanál jako jednu
# dlaždici v mřížce, která je zhruba čtvercová.
#
# 1. **Roztáhněte každý kanál zvlášť**, nejmenší hodnotu na černou (0) a největší na bílou (1). Se společnou stupnicí by
#    byla většina dlaždic jen šedá: některé kanály odpovídají stokrát silněji než jiné. Pozor na kanál, který je všude
#    stejný: jeho rozsah je 0.
# 2. **Rozvrhněte mřížku.** Při kolika sloupcích bude zhruba čtvercová? A co když dlaždice nezaplní poslední řádek?
# 3. **Nechte mezi dlaždicemi úzkou mezeru**, aby bylo vidět, kde kanál končí. Šířka a barva jsou na vás.
#
# Začněte obyčejnými cykly a řezy: `picture[top : top + height, left : left + width] = tile`. Kdo má rád hádanky, obejde se
# bez cyklů pomocí `unflatten`, `permute` a `flatten` a přijde na to, proč samotné `reshape` dlaždice roztrhá.


# %% nbgrader={"grade": false, "grade_id": "montage", "locked": false, "schema_version": 3, "solution": true, "task": false}
def montage(activations):
    """Every channel as a tile, laid out in a grid that is about square.

    Args:
        activations: float32 tensor (C, h, w), of any sign and size; some channels may be the same everywhere.

    Returns a float32 tensor (H, W) with grey values in [0, 1], or (3, H, W) where you use a colour map. In it
        every channel has one tile of h x w pixels of its own, one pixel for each activation, that nothing covers;
        each tile reaches from the darkest to the lightest: every channel is stretched by itself;
        the longer side is at most twice the shorter one (for tiles that are about square);
        gaps are narrow: all in all at most 4 pixels for each activation.
    Takes at most 12 seconds; a hundredth of one should do.
    """
    raise NotImplementedError("montage: stretch each channel, choose the columns, put every tile in its place")


# %% [markdown] lang="en"
# ### Check: every channel

# %% [markdown] lang="cs"
# ### Kontrola: všechny kanály

# %% nbgrader={"grade": true, "grade_id": "test_montage_shows_every_channel", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
picture = montage(third)
plt.figure(figsize=(9, 9))
plt.imshow(picture if picture.dim() == 2 else picture.permute(1, 2, 0), cmap="gray", vmin=0, vmax=1)
plt.axis("off")
plt.show()
print(f"{len(third)} channels in {tuple(picture.shape)}")


def stretched(channel):
    """A channel (h, w) from 0 to 1."""
    return (channel - channel.min()) / (channel.max() - channel.min())


def shown(channel, picture):
    """Whether a grey picture (H, W) shows a channel (h, w) somewhere: looked for at every place."""
    places = picture.unfold(0, channel.shape[0], 1).unfold(1, channel.shape[1], 1)
    return bool(((places - stretched(channel)).abs().amax((2, 3)) < 0.02).any())


assert picture.min() >= 0 and picture.max() <= 1, "values outside [0, 1]"
assert max(picture.shape[-2:]) <= 2 * min(picture.shape[-2:]), "the montage is far from square"
assert picture.shape[-2] * picture.shape[-1] <= 4 * third.numel(), "there is more gap than channels"
made_up = torch.rand(7, 12, 10, generator=torch.Generator().manual_seed(1))
small = montage(made_up)
if small.dim() == 2:  # a coloured montage is looked at in grading
    missing = [number for number, channel in enumerate(made_up) if not shown(channel, small)]
    assert not missing, f"channels {missing} of 7 made-up ones are not shown in full"


# %% [markdown] lang="en"
# ### Check: faint channels, and one that is the same everywhere

# %% [markdown] lang="cs"
# ### Kontrola: slabé kanály a kanál, který je všude stejný

# %% nbgrader={"grade": true, "grade_id": "test_montage_shows_faint_channels", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
faint = made_up * torch.tensor([100, 10, 1, 0, 0.1, 0.01, 0.001])[:, None, None]
small = montage(faint)
show({"from strong to faint; the fourth is constant": small})

assert bool(torch.isfinite(small).all()), "NaN or infinity: what happens to the channel that is the same everywhere?"
if small.dim() == 2:
    missing = [number for number in (0, 1, 2, 4, 5, 6) if not shown(faint[number], small)]
    assert not missing, f"channels {missing} are not stretched from 0 to 1"

# %% [markdown] lang="en"
# ## Star task (no points)
#
# - Go deeper: `network.layers(torch.nn.Conv2d)` lists all convolutions, `network.activations(image, name)` gives their
#   answers. Where do you stop recognising the flower? Which channel of the last convolution is white on the flower only?
# - How much of the image can one number of the third convolution depend on? Change one pixel of the flower and look
#   where the activations change.
# - Send the flower through upside down. Which layers' activations are simply turned over, which are not, and why?

# %% [markdown] lang="cs"
# ## Úkol s hvězdičkou (bez bodů)
#
# - Jděte hlouběji: `network.layers(torch.nn.Conv2d)` vypíše všechny konvoluce, `network.activations(image, name)` dá jejich
#   odpovědi. Kde přestáváte květinu poznávat? Který kanál poslední konvoluce je bílý jen na květině?
# - Na jak velké části obrázku může záviset jedno číslo třetí konvoluce? Změňte jediný pixel květiny a podívejte se, kde se
#   změní aktivace.
# - Pošlete květinu sítí vzhůru nohama. Aktivace kterých vrstev se prostě převrátí, kterých ne, a proč?

# %% nbgrader={"grade": false, "grade_id": "star", "locked": false, "schema_version": 3, "solution": true, "task": false}
# Your own experiments.
