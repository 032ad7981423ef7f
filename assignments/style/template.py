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
# # One picture in the style of another
#
# Take a photograph and a painting, and paint what the photograph shows as the painter would have: **style transfer**.
# In 2015 Gatys, Ecker and Bethge found that a network trained to name things can be made to do it, although nobody
# ever taught it what a style is. It needs no training at all. What is optimised is the picture.
#
# The question behind it is what a network keeps of a picture, and where. You will take that apart into *what is
# where* and *how it is painted*, and put it together anew: your flower, and somebody else's brush. It takes about an
# hour and a half.
#
# The checks below show how far you are. After `import netlens`, `netlens.check()` runs them from any cell.

# %% [markdown] lang="cs"
# # Jeden obrázek ve stylu druhého
#
# Vezměte fotografii a obraz a namalujte to, co je na fotografii, tak, jak by to namaloval autor obrazu: tomu se říká
# **přenos stylu**. V roce 2015 Gatys, Ecker a Bethge zjistili, že to zvládne síť natrénovaná jen na pojmenovávání
# věcí, i když ji nikdo nikdy neučil, co je to styl. Nic se přitom netrénuje. Optimalizuje se obrázek.
#
# Za tím vším je otázka, co si síť z obrázku uchovává a kde. Rozeberete to na *co kde je* a *jak je to namalované*
# a složíte znovu: vaše květina a cizí štětec. Zabere to asi hodinu a půl.
#
# Jak jste daleko, ukazují kontroly níže. Po `import netlens` je spustíte z kterékoli buňky: `netlens.check()`.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import matplotlib.pyplot as plt
import torch
from torch import nn

from netlens_core.daisies import draw_daisy
from netlens_core.images import load_image, resize, to_8bit
from netlens_core.networks import load_network
from netlens_core.paintings import paint

network = load_network("efficientnet_lite0")
flower = load_image("flower.png")  # yours alone: everybody has another one
painting = load_image("painting.png")


def show(pictures):
    """Show images (3, H, W) in [0, 1] side by side: a dict of title -> image."""
    _, axes = plt.subplots(1, len(pictures), figsize=(3.4 * len(pictures), 3.6), squeeze=False)
    for axis, (title, picture) in zip(axes[0], pictures.items()):
        axis.imshow(picture.detach().permute(1, 2, 0))
        axis.set_title(title)
        axis.axis("off")
    plt.show()


show({"flower.png": flower, "painting.png": painting})

# %% [markdown] lang="en"
# ## What the network keeps
#
# The network turns a picture into **maps**: each channel of a layer says at each place how strongly it finds there
# what it looks for. The first layers find colours and edges, later ones combine these into corners, stripes and
# patterns, and the last ones into things. On the way the maps grow coarser. For a style we want strokes and patterns,
# not things, so the maps down to one value in 8 pixels are enough.
#
# `blocks(network)` names the layers that give such maps, and `network.activations(image, names)` gives the maps
# themselves: a dict of name -> tensor (channels, height, width). Gradients flow through it to the image.

# %% [markdown] lang="cs"
# ## Co si síť uchovává
#
# Síť mění obrázek na **mapy**: každý kanál vrstvy říká pro každé místo, jak silně tam nachází to, co hledá. První
# vrstvy nacházejí barvy a hrany, další je skládají do rohů, pruhů a vzorů a poslední do věcí. Mapy jsou přitom čím
# dál hrubší. U stylu nám jde o tahy a vzory, ne o věci, takže stačí mapy až do jedné hodnoty na 8 pixelů.
#
# `blocks(network)` vyjmenuje vrstvy, které takové mapy dávají, a `network.activations(image, names)` vrátí mapy samy:
# slovník jméno -> tenzor (kanály, výška, šířka). Gradienty jím procházejí až k obrázku.


# %% nbgrader={"grade": false, "grade_id": "blocks", "locked": true, "schema_version": 3, "solution": false, "task": false}
def blocks(network, size=96):
    """Names of the network's layers with finished maps of at least one value in 8 pixels, in order."""
    chains = {"": network.module}
    chains |= {f"{name}.": part for name, part in network.module.named_modules() if isinstance(part, nn.Sequential)}
    names = [
        chain + name
        for chain, parts in chains.items()
        for name, part in parts.named_children()
        if not isinstance(part, nn.Sequential | nn.Conv2d | nn.MaxPool2d)  # a ReLU or a whole block finishes a map
    ]
    maps = network.activations(torch.zeros(3, size, size), names)
    return [name for name in names if maps[name].dim() == 3 and maps[name].shape[-1] * 9 >= size]


for name, maps in network.activations(flower, blocks(network)).items():
    print(f"{name:12} {maps.shape[0]:4} maps of {maps.shape[1]} x {maps.shape[2]}")

# %% [markdown] lang="en"
# Have a look at a few maps of the first and of the last of these layers. Can you still tell *where* the petals are?
# Can you tell their colour?

# %% [markdown] lang="cs"
# Prohlédněte si několik map z první a z poslední z těchto vrstev. Poznáte ještě, *kde* jsou okvětní lístky? Poznáte
# jejich barvu?

# %% nbgrader={"grade": false, "grade_id": "maps", "locked": true, "schema_version": 3, "solution": false, "task": false}
for name in (blocks(network)[0], blocks(network)[-1]):
    maps = network.activations(flower, name)
    strongest = maps[maps.flatten(1).std(dim=1).topk(5).indices]
    brightest = strongest.abs().amax(dim=(1, 2), keepdim=True)
    show({f"{name}, {n}": (0.5 + 0.5 * m).expand(3, -1, -1) for n, m in enumerate(strongest / brightest, 1)})

# %% [markdown] lang="en"
# ## Warm-up: the Gram matrix
#
# *What is where* is what the maps say as they are. *How it is painted* has to be something that does not depend on
# the place: a brush stroke is the same stroke at the left and at the right. So forget the places and ask only **which
# channels answer together**. Where "blue" and "slanted edge" answer at the same places, there are slanted blue strokes.
#
# For two channels $i$ and $j$ with maps $F_i$ and $F_j$, multiply the maps place by place and take the mean:
#
# $$G_{ij} = \frac{1}{HW} \sum_{y,x} F_i(y, x)\, F_j(y, x)$$
#
# The table of all these numbers is the **Gram matrix** of the layer. With the maps flattened into a matrix of channels by
# places it is a single product.

# %% [markdown] lang="cs"
# ## Rozcvička: Gramova matice
#
# *Co kde je* říkají mapy samy. *Jak je to namalované* musí být něco, co na místě nezávisí: tah štětcem je tentýž tah
# vlevo i vpravo. Na místa tedy zapomeňte a ptejte se jen, **které kanály se ozývají společně**. Ozývají-li se na
# stejných místech „modrá“ a „šikmá hrana“, jsou tam šikmé modré tahy.
#
# Pro dva kanály $i$ a $j$ s mapami $F_i$ a $F_j$ vynásobte mapy místo po místu a vezměte průměr:
#
# $$G_{ij} = \frac{1}{HW} \sum_{y,x} F_i(y, x)\, F_j(y, x)$$
#
# Tabulka všech těchto čísel je **Gramova matice** vrstvy. Srovnáte-li mapy do matice kanály × místa, je to jediný
# součin.


# %% nbgrader={"grade": false, "grade_id": "gram", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gram(maps):
    """Which channels answer together: the mean product of each two maps.

    Args:
        maps: float32 tensor (C, H, W).

    Returns a tensor (C, C).
    """
    raise NotImplementedError("gram: flatten the places, one matrix product, and divide by the number of places")


# %% nbgrader={"grade": false, "grade_id": "try_gram", "locked": true, "schema_version": 3, "solution": false, "task": false}
by_hand = gram(torch.tensor([[[1.0, 2.0]], [[3.0, -1.0]]]))
print(by_hand)
assert torch.allclose(by_hand, torch.tensor([[2.5, 0.5], [0.5, 5.0]])), "expected [[2.5, 0.5], [0.5, 5.0]]"

some = torch.rand(6, 8, 5)
shuffled = some.flatten(1)[:, torch.randperm(40)].view(6, 8, 5)
assert torch.allclose(gram(some), gram(shuffled), atol=1e-5), "the places do not count: shuffling them changes nothing"

# %% [markdown] lang="en"
# The **distance in style** of two pictures is how far their Gram matrices are apart, layer by layer, each as a share
# of the matrix's own size: otherwise the layer with the largest numbers would decide alone.
#
# Before you run the next cell, put these in order by their distance in style from `painting.png`: the same painting mirrored,
# the same painting cut into quarters and put together in another order, another painting by the same hand, the same
# painting in grey, the same painting at half the size, your flower.

# %% [markdown] lang="cs"
# **Vzdálenost stylů** dvou obrázků je to, jak daleko jsou od sebe jejich Gramovy matice, vrstvu po vrstvě, vždy
# v poměru k velikosti samotné matice: jinak by rozhodovala jen vrstva s největšími čísly.
#
# Než spustíte další buňku, seřaďte podle vzdálenosti stylu od `painting.png`: týž obraz zrcadlově převrácený, týž
# obraz rozstříhaný na čtvrtiny a složený v jiném pořadí, jiný obraz od téže ruky, týž obraz šedý, týž obraz v poloviční
# velikosti, vaši květinu.


# %% nbgrader={"grade": false, "grade_id": "style_distance", "locked": true, "schema_version": 3, "solution": false, "task": false}
@torch.no_grad()
def style_distance(image, style):
    """How far two images (3, H, W) in [0, 1] are apart in style: 0 for the same style, about 1 for strangers."""
    found, wanted = (network.activations(to_8bit(picture), blocks(network)) for picture in (image, style))
    shares = []
    for name in wanted:
        have, want = gram(found[name]), gram(wanted[name])
        shares.append((have - want).square().sum() / want.square().sum())
    return float(torch.stack(shares).mean().sqrt())


half = painting.shape[-1] // 2
others = {
    "mirrored": painting.flip(2),
    "quarters": painting.roll((half, half), dims=(1, 2)),
    "the same hand": paint("swirls", seed=1, size=224),
    "in grey": painting.mean(dim=0, keepdim=True).expand(3, -1, -1),
    "at half the size": resize(painting, half),
    "your flower": flower,
}
show(others)
for title, picture in others.items():
    print(f"{title:16} distance in style {style_distance(picture, painting):.2f}")

# %% [markdown] lang="en"
# Questions on the way: quarters in another order leave the style almost as it was. Why almost, and not quite? And why
# is a mirrored painting a little farther away than they are?
#
# ## The task: `stylize`
#
# Now look for a picture that has the painting's Gram matrices *and* the flower's maps. Nobody can write it down, but
# you can start somewhere and follow the gradient of both distances **with respect to the pixels**, as you followed
# the gradient of a margin when you made an adversarial image.
#
# 1. **What to keep.** Compute the Gram matrices of the style, once. Compute the content's maps of *one* later layer,
#    once: the layer says what is where, but leaves the details open.
# 2. **What to lower.** The loss is `weight * style + content`. For each layer of style, take the squared difference of
#    Gram matrices as a share of the wanted one's own sum of squares, and the mean over layers. For the content, take the
#    mean squared difference of maps as a share of the wanted maps' variance. Then one weight serves all networks; try
#    1, 10, 100 and 1,000.
# 3. **Where to start.** From the content: noise works, and takes far longer. It starts even better with the
#    painting's mean and spread of colour, and so does the content that is to be kept: why?
# 4. **How to step.** `torch.optim.Adam([image], lr=0.02)` with a learning rate that falls, and `image.clamp_(0, 1)`
#    after each step (inside `torch.no_grad()`).
# 5. **Coarse to fine.** At 224 pixels a stroke of the brush is larger than what most maps see at once, and a step costs
#    four times what it costs at 112. Paint at half the size first, enlarge the result, then paint at full size.
#
# `network.folded()` answers like `network` and gives gradients about twice as fast; choose the names before you fold.
# Two hundred steps or so do.

# %% [markdown] lang="cs"
# Otázky cestou: čtvrtiny v jiném pořadí nechají styl skoro takový, jaký byl. Proč jen skoro? A proč je zrcadlově
# převrácený obraz o něco dál než ony?
#
# ## Úkol: `stylize`
#
# Teď hledejte obrázek, který má Gramovy matice obrazu *a zároveň* mapy květiny. Přímo zapsat ho nikdo neumí, ale
# můžete někde začít a jít po gradientu obou vzdáleností **vzhledem k pixelům**, tak jako jste při výrobě adversariálního
# obrázku šli po gradientu odstupu (margin).
#
# 1. **Co zachovat.** Spočítejte Gramovy matice stylu, jednou provždy. Spočítejte mapy obsahu v *jedné* pozdější
#    vrstvě, také jednou: ta vrstva říká, co kde je, ale podrobnosti nechává otevřené.
# 2. **Co snižovat.** Ztráta je `weight * style + content`. Pro každou vrstvu stylu vezměte čtverec rozdílu Gramových
#    matic v poměru k součtu čtverců té žádané a zprůměrujte přes vrstvy. Pro obsah vezměte střední čtverec rozdílu map
#    v poměru k rozptylu žádaných map. Pak jedna váha vyhoví všem sítím; zkuste 1, 10, 100 a 1000.
# 3. **Kde začít.** U obsahu: se šumem to jde také, ale trvá to mnohem déle. Ještě lépe se začíná, když mají barvy
#    stejný průměr a rozptyl jako obraz, a totéž platí pro obsah, který se má zachovat: proč?
# 4. **Jak kráčet.** `torch.optim.Adam([image], lr=0.02)` s klesající rychlostí učení a po každém kroku
#    `image.clamp_(0, 1)` (uvnitř `torch.no_grad()`).
# 5. **Od hrubého k jemnému.** Při 224 pixelech je tah štětcem větší než to, co většina map vidí najednou, a krok stojí
#    čtyřikrát víc než při 112. Malujte nejdřív v poloviční velikosti, výsledek zvětšete a pak malujte v plné.
#
# `network.folded()` odpovídá stejně jako `network` a gradienty dává asi dvakrát rychleji; jména vrstev si vyberte ještě
# předtím. Stačí kolem dvou set kroků.


# %% nbgrader={"grade": false, "grade_id": "stylize", "locked": false, "schema_version": 3, "solution": true, "task": false}
def stylize(network, content, style):
    """The content, painted in the style of another picture.

    Args:
        network: `network.activations(image, names)` gives maps; the network that this exercise is about.
        content: float32 tensor (3, H, W) with values in [0, 1], 192 to 256 pixels a side.
        style: a picture of the same size and range. Any painting: grading brings one by another hand.

    Returns a float32 tensor (3, H, W) of the content's size, with values in [0, 1].
        The style arrives: Gram matrices and the colours' fine structure come near those of the style, for this
            network and for another one.
        The content stays: light and dark lie where they lay, and the network's maps have not gone far.
        It is painted anew: what the pixels show cannot be had by recolouring or mixing the two pictures.
    Takes at most 45 seconds on one core; 5 to 10 should do.
    Running the notebook and the 2 calls of grading take at most 240 seconds in all.
    """
    raise NotImplementedError("stylize: Gram matrices, maps, a loss, Adam on the pixels; half the size first")


# %% [markdown] lang="en"
# ## Measuring what cannot be weighed by eye alone
#
# A change of colours or a mix of both pictures also comes nearer to the style, so one number is not enough.
#
# - **Distance in style**, as above. Grading asks a network as well that your picture was *not* made with, and compares
#   small patches of both pictures without any network.
# - **Light and dark**: the correlation of blurred luminance with the content. 1: where it was light, it is light.
# - **Explained by pixels**: how much of your picture a formula can guess, pixel by pixel, from the colours of content
#   and style at the same place. 1 for every change of colours and every mix, since these are such formulas.
#
# Grading also adds up what is left of both losses, style and content, in the network that this exercise is about. A
# flower cut out and pasted, or strokes laid over it that follow nothing, stay far above what a descent reaches.
#
# Look at the numbers of three tricks. Which number gives each of them away?

# %% [markdown] lang="cs"
# ## Jak změřit, co se jen okem zvážit nedá
#
# Ke stylu se přiblíží i změna barev nebo smíchání obou obrázků, takže jedno číslo nestačí.
#
# - **Vzdálenost stylů**, jako výše. Hodnocení se ptá i sítě, s níž váš obrázek *nevznikl*, a malé výřezy obou obrázků
#   porovnává také úplně bez sítě.
# - **Světlo a stín**: korelace rozostřeného jasu s obsahem. 1: kde bylo světlo, tam je světlo.
# - **Vysvětleno z pixelů**: kolik z vašeho obrázku uhodne vzorec pixel po pixelu z barev obsahu a stylu na tomtéž
#   místě. U každé změny barev a každé směsi je to 1, protože to právě takové vzorce jsou.
#
# Hodnocení také sečte, co v síti, o níž úloha je, zbývá z obou ztrát, ztráty stylu i ztráty obsahu. Vystřižená a nalepená
# květina, nebo tahy, které se přes ni jen položí a ničím se neřídí, zůstanou vysoko nad tím, kam dojde sestup.
#
# Podívejte se na čísla tří triků. Které číslo který z nich prozradí?


# %% nbgrader={"grade": false, "grade_id": "measures", "locked": true, "schema_version": 3, "solution": false, "task": false}
def light_and_dark(image, content, sigma=3):
    """Correlation in [-1, 1] of the blurred luminance of two images (3, H, W) in [0, 1]."""
    reach = 3 * sigma
    bell = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * sigma**2))
    window = torch.outer(bell, bell)[None, None] / bell.sum() ** 2
    grey = torch.stack([image, content]) * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    padded = nn.functional.pad(grey.sum(dim=1, keepdim=True), (reach,) * 4, mode="reflect")
    return float(torch.corrcoef(nn.functional.conv2d(padded, window).flatten(1))[0, 1])


def explained_by_pixels(image, content, style):
    """Share in [0, 1] of the image that a polynomial of content and style colours at the same pixel accounts for."""
    (r, g, b), others = content.flatten(1).double(), style.flatten(1).double()
    products = [torch.ones_like(r), r, g, b, r * r, g * g, b * b, r * g, r * b, g * b, r**3, g**3, b**3]
    known, wanted = torch.stack([*products, *others], dim=1), image.flatten(1).double().T
    missed = wanted - known @ torch.linalg.lstsq(known, wanted).solution
    return 1 - float(missed.square().sum() / (wanted - wanted.mean(dim=0)).square().sum())


def measured(image, content, style):
    """The three numbers of an image."""
    return (
        f"distance in style {style_distance(image, style):.2f}, light and dark {light_and_dark(image, content):.2f}, "
        f"explained by pixels {explained_by_pixels(image, content, style):.2f}"
    )


def spread(picture):
    return picture.mean(dim=(1, 2), keepdim=True), picture.std(dim=(1, 2), keepdim=True)


(mean, deviation), (new_mean, new_deviation) = spread(flower), spread(painting)
tricks = {
    "recoloured": ((flower - mean) / deviation * new_deviation + new_mean).clamp(0, 1),
    "mixed": 0.5 * flower + 0.5 * painting,
    "the painting": painting,
}
show(tricks)
for title, picture in {"your flower": flower, **tricks}.items():
    print(f"{title:13}", measured(picture, flower, painting))

# %% [markdown] lang="en"
# ### Check: the style arrives

# %% [markdown] lang="cs"
# ### Kontrola: styl je tu

# %% nbgrader={"grade": true, "grade_id": "test_style_arrives", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
stylized = to_8bit(stylize(network, flower, painting))
assert stylized.shape == flower.shape, "the picture has another size than the content"
show({"content": flower, "style": painting, "yours": stylized})
print(measured(stylized, flower, painting))
distance, before = style_distance(stylized, painting), style_distance(flower, painting)

assert distance <= 0.30 * before, f"of the distance in style, {distance / before:.2f} is left: at most 0.30 is wanted"

# %% [markdown] lang="en"
# ### Check: the content stays

# %% [markdown] lang="cs"
# ### Kontrola: obsah zůstal

# %% nbgrader={"grade": true, "grade_id": "test_content_stays", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
correlation = light_and_dark(stylized, flower)
print(f"light and dark {correlation:.2f}")

assert correlation >= 0.80, f"the flower is lost: a correlation of at least 0.80 is wanted, not {correlation:.2f}"

# %% [markdown] lang="en"
# ### Check: it is painted anew

# %% [markdown] lang="cs"
# ### Kontrola: je to namalované znovu

# %% nbgrader={"grade": true, "grade_id": "test_painted_anew", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
explained = explained_by_pixels(stylized, flower, painting)
print(f"explained by pixels {explained:.2f}")

assert explained <= 0.90, f"a formula for single pixels explains {explained:.2f} of it: this is no painting"

# %% [markdown] lang="en"
# ### Check: a flower and a painting that your function has never seen
#
# Grading brings another flower and a painting of another manner.

# %% [markdown] lang="cs"
# ### Kontrola: květina a obraz, které vaše funkce nikdy neviděla
#
# Hodnocení přinese další květinu a obraz malovaný ještě jinak.

# %% nbgrader={"grade": true, "grade_id": "test_hidden_pictures", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
other_flower, other_painting = draw_daisy(seed=5, size=192).image, paint("hatching", seed=2, size=192)
other = to_8bit(stylize(network, other_flower, other_painting))
assert other.shape == other_flower.shape, "the picture has another size than the content"
show({"content": other_flower, "style": other_painting, "yours": other})
print(measured(other, other_flower, other_painting))
left = style_distance(other, other_painting) / style_distance(other_flower, other_painting)

assert left <= 0.30, f"of the distance in style, {left:.2f} is left: at most 0.30 is wanted"
assert light_and_dark(other, other_flower) >= 0.80, "the flower is lost"
assert explained_by_pixels(other, other_flower, other_painting) <= 0.90, "this is no painting"

# %% [markdown] lang="en"
# ## Star task (no points)
#
# - Paint a photograph of your own in the manner of `glass` or `waves` (`paint("glass", seed=3, size=256)`). Then try `grid`:
#   which part of that painter's style arrives, and which cannot, with maps that see a few dozen pixels at a time?
# - Keep the colours: give the *style* the flower's mean and spread of colour before you start.
# - Use the Gram matrices of one layer only, the first or the last. Which strokes come from where?
# - Leave out the content and start from noise. What is the picture now?

# %% [markdown] lang="cs"
# ## Úkol s hvězdičkou (bez bodů)
#
# - Namalujte vlastní fotografii ve stylu `glass` nebo `waves` (`paint("glass", seed=3, size=256)`). Pak zkuste `grid`:
#   co z malířova stylu se přenese a co se přenést nemůže, když mapy vidí jen několik desítek pixelů najednou?
# - Zachovejte barvy: dejte předem *stylu* průměr a rozptyl barev květiny.
# - Použijte Gramovy matice jediné vrstvy, první, nebo poslední. Které tahy pocházejí odkud?
# - Vynechte obsah a začněte od šumu. Co je na obrázku teď?

# %% nbgrader={"grade": false, "grade_id": "star", "locked": false, "schema_version": 3, "solution": true, "task": false}
# Your own experiments.
