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
# # Two networks that teach each other
#
# A **generative adversarial network** (GAN; Goodfellow et al., 2014) is a game of two. The *generator* turns random
# numbers into images. The *discriminator* gets real images and drawn ones, and tells which is which. Both learn all
# the time: the discriminator from its errors, the generator from what the discriminator found out. In the end the
# drawings are hard to tell from real images, though nobody ever told the generator what a digit is.
#
# You write the game. The images are handwritten digits of 8 x 8 pixels, so that a few seconds are enough. It takes
# about an hour and a half.
#
# The checks below show how far you are. After `import netlens`, `netlens.check()` runs them from any cell.

# %% [markdown] lang="cs"
# # Dvě sítě, které se učí jedna od druhé
#
# **Generativní adversariální síť** (GAN; Goodfellow a kol., 2014) je hra pro dva. *Generátor* mění náhodná čísla
# v obrázky. *Diskriminátor* dostává obrázky skutečné i nakreslené a rozhoduje, které jsou které. Obě sítě se neustále
# doučují: diskriminátor ze svých chyb, generátor z toho, na co diskriminátor přišel. Nakonec se kresby dají od
# skutečných obrázků jen těžko rozeznat, přestože generátoru nikdo nikdy neřekl, co je číslice.
#
# Tuto hru napíšete. Obrázky jsou ručně psané číslice o 8 x 8 pixelech, takže stačí několik sekund učení. Celé vám to
# zabere asi hodinu a půl.
#
# Jak jste daleko, ukazují kontroly níže. Po `import netlens` je spustíte z kterékoli buňky: `netlens.check()`.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import copy
import time

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional

from netlens_core.digits import load_digits

torch.set_num_threads(1)  # with networks as small as these, a second thread only gets in the way
LATENT = 32  # random numbers behind each drawing

digits = load_digits(seed=7, classes=4)  # images (N, 1, 8, 8) in [0, 1] and labels (N,)
split = 2 * len(digits.images) // 3
images, held_out = digits.images[:split], digits.images[split:]


def show(pictures):
    """Show images (N, 1, 8, 8) as rows of sixteen: a dict of title -> images."""
    _, axes = plt.subplots(1, len(pictures), figsize=(6 * len(pictures), 3.4), squeeze=False)
    for axis, (title, some) in zip(axes[0], pictures.items()):
        rows = functional.pad(some[:128], (0, 1, 0, 1), value=0.5).squeeze(1).split(16)
        axis.imshow(torch.cat([torch.cat(list(row), dim=1) for row in rows if len(row) == 16]), cmap="gray")
        axis.set_title(title)
        axis.axis("off")
    plt.show()


show({"images to learn from": images, "held out": held_out})
print(len(images), "images to learn from, of the digits", sorted(digits.labels.unique().tolist()))

# %% [markdown] lang="en"
# ## Warm-up: what a mistake costs
#
# The discriminator gives each image one number, its **logit**: above 0 means "real", below 0 "drawn"; the probability
# of "real" is the sigmoid of it. A mistake costs the negative logarithm of the probability of the right answer. In
# torch, `functional.softplus(-logit)` is -log(sigmoid(logit)): the cost of the answer where "real" is right. Turn the
# sign round where "drawn" is right.
#
# - The **discriminator's loss** is its mean cost on real images plus its mean cost on drawings.
# - The **generator** wants its drawings to be called real. Its loss is the discriminator's cost as if "real" were
#   right.
#
# Write both. Before you run the cell after it: which values do you expect if the discriminator has no idea (all
# logits 0)? Which if it is sure and right?

# %% [markdown] lang="cs"
# ## Rozcvička: kolik stojí chyba
#
# Diskriminátor dá každému obrázku jedno číslo, **logit**: nad 0 znamená „skutečný“, pod 0 „nakreslený“; pravděpodobnost
# odpovědi „skutečný“ je jeho sigmoida. Chyba stojí záporný logaritmus pravděpodobnosti správné odpovědi. V torchi je
# `functional.softplus(-logit)` rovno -log(sigmoid(logit)), tedy ceně odpovědi tam, kde je správně „skutečný“. Kde je
# správně „nakreslený“, otočte znaménko.
#
# - **Ztráta diskriminátoru** je průměrná cena na skutečných obrázcích plus průměrná cena na kresbách.
# - **Generátor** chce, aby jeho kresby byly označeny za skutečné. Jeho ztráta je cena, jako by „skutečný“ bylo správně.
#
# Napište obě. Než spustíte další buňku, odhadněte: jaké hodnoty vyjdou, když diskriminátor nemá tušení (všechny logity
# jsou 0)? A jaké, když si je jistý a má pravdu?


# %% nbgrader={"grade": false, "grade_id": "losses", "locked": false, "schema_version": 3, "solution": true, "task": false}
def discriminator_loss(on_real, on_drawn):
    """The discriminator's loss, from its logits (N, 1) on real images and (N, 1) on drawings: one number."""
    raise NotImplementedError("discriminator_loss: two softplus, each with the right sign, and their means")


def generator_loss(on_drawn):
    """The generator's loss, from the discriminator's logits (N, 1) on drawings: one number."""
    raise NotImplementedError("generator_loss: low where the discriminator is fooled")


# %% nbgrader={"grade": false, "grade_id": "costs", "locked": true, "schema_version": 3, "solution": false, "task": false}
for title, real, drawn in (("no idea", 0.0, 0.0), ("sure and right", 5.0, -5.0), ("sure and wrong", -5.0, 5.0)):
    on_real, on_drawn = torch.full((4, 1), real), torch.full((4, 1), drawn)
    print(
        f"{title:15} discriminator {discriminator_loss(on_real, on_drawn):6.2f}   generator {generator_loss(on_drawn):6.2f}"
    )
print("expected         1.39, 0.01, 10.01 for the discriminator; 0.69, 5.01, 0.01 for the generator")

# %% [markdown] lang="en"
# Question on the way: the generator could also *raise* the discriminator's cost on drawings, which is the same game.
# How steep is that cost where the discriminator is sure and right, at the beginning, when the generator has most to
# learn?
#
# ## Two networks
#
# Fully connected layers do for 64 pixels:
#
# - the generator takes (N, 32) random numbers through 128 and 256 neurons, each followed by `nn.BatchNorm1d` and a
#   ReLU, to 64 values; `nn.Sigmoid` brings them into [0, 1], `nn.Unflatten(1, (1, 8, 8))` into shape;
# - the discriminator takes (N, 1, 8, 8) images through 256 and 128 neurons with `nn.LeakyReLU(0.2)` to one logit.
#   Do not normalise here, and put no sigmoid at the end.
#
# Convolutions are welcome as well; they learn more from a step and take longer for it.

# %% [markdown] lang="cs"
# Otázka cestou: generátor by také mohl cenu diskriminátoru na kresbách *zvyšovat*, je to táž hra. Jak strmá je tato
# cena tam, kde si je diskriminátor jistý a má pravdu, tedy na začátku, kdy se má generátor učit nejvíc?
#
# ## Dvě sítě
#
# Na 64 pixelů stačí plně propojené vrstvy:
#
# - generátor vede (N, 32) náhodných čísel přes 128 a 256 neuronů, za každou vrstvou `nn.BatchNorm1d` a ReLU, k 64
#   hodnotám; `nn.Sigmoid` je převede do [0, 1] a `nn.Unflatten(1, (1, 8, 8))` do tvaru obrázku;
# - diskriminátor vede obrázky (N, 1, 8, 8) přes 256 a 128 neuronů s `nn.LeakyReLU(0.2)` k jedinému logitu. Zde
#   nenormalizujte a na konec nedávejte sigmoidu.
#
# Vítány jsou i konvoluce; z jednoho kroku se naučí víc, ale trvá jim déle.


# %% nbgrader={"grade": false, "grade_id": "networks", "locked": false, "schema_version": 3, "solution": true, "task": false}
def make_generator():
    """A new generator: random numbers (N, LATENT) to images (N, 1, 8, 8) in [0, 1]."""
    raise NotImplementedError("make_generator: an nn.Sequential")


def make_discriminator():
    """A new discriminator: images (N, 1, 8, 8) to logits (N, 1)."""
    raise NotImplementedError("make_discriminator: an nn.Sequential")


# %% nbgrader={"grade": false, "grade_id": "untrained", "locked": true, "schema_version": 3, "solution": false, "task": false}
generator, discriminator = make_generator(), make_discriminator()
with torch.no_grad():
    first_drawings = generator(torch.randn(128, LATENT))
    print("drawings", tuple(first_drawings.shape), "logits", tuple(discriminator(first_drawings).shape))
for title, network in {"generator": generator, "discriminator": discriminator}.items():
    print(title, "has", sum(weights.numel() for weights in network.parameters()), "learnables")
show({"what an untrained generator draws": first_drawings})

# %% [markdown] lang="en"
# ## The task: `train` and `sample`
#
# A step of the game:
#
# 1. Take a batch of random training images, 64 say, and let the generator draw as many.
# 2. The discriminator learns: its loss on both, `backward`, a step of *its* optimizer. The generator must not learn
#    here: pass `drawn.detach()`.
# 3. The generator learns: its loss on the same drawings, judged by the discriminator as it is *now*; `backward`, a
#    step of *its* optimizer. Set gradients to zero before each `backward`: this one reaches the discriminator as well.
# 4. Note both losses.
#
# Two Adam optimizers with a rate of 1e-3 and betas of (0.5, 0.99) do well. About 3,000 steps are enough.
# **Count steps, not seconds**: then the result is the same on a slow machine and on a fast one.
#
# `train` begins with new networks each time, because grading calls it with other digits: four kinds that you do not
# know, in a handwriting that you have not seen. It leaves its generator where `sample` finds it, in the dictionary `trained`.

# %% [markdown] lang="cs"
# ## Úkol: `train` a `sample`
#
# Jeden krok hry:
#
# 1. Vezměte dávku náhodných trénovacích obrázků, třeba 64, a nechte generátor nakreslit stejný počet.
# 2. Učí se diskriminátor: jeho ztráta na obou dávkách, `backward`, krok *jeho* optimalizátoru. Generátor se zde učit
#    nesmí: předejte `drawn.detach()`.
# 3. Učí se generátor: jeho ztráta na týchž kresbách, jak je diskriminátor posuzuje *teď*; `backward`, krok *jeho*
#    optimalizátoru. Před každým `backward` gradienty vynulujte: tento dojde i k diskriminátoru.
# 4. Zapište obě ztráty.
#
# Osvědčí se dva optimalizátory Adam s rychlostí učení 1e-3 a betami (0.5, 0.99). Stačí asi 3 000 kroků.
# **Počítejte kroky, ne sekundy**: výsledek pak bude stejný na pomalém i rychlém počítači.
#
# `train` začíná pokaždé s novými sítěmi, protože při hodnocení dostane jiné číslice: čtyři druhy, které předem neznáte,
# psané rukopisem, který jste neviděli. Svůj generátor nechá tam, kde ho najde `sample`, ve slovníku `trained`.


# %% nbgrader={"grade": false, "grade_id": "train", "locked": false, "schema_version": 3, "solution": true, "task": false}
trained = {}  # what train leaves for sample


def train(images):
    """Train a new generator and a new discriminator on images.

    Args:
        images: float32 tensor (N, 1, 8, 8) with values in [0, 1], some hundreds.

    Returns the history, a list with {"generator": loss, "discriminator": loss} of each step, plain numbers
    (`loss.item()`), at least 200. Takes at most 75 seconds; ten should do.
    Running the notebook and the 3 calls of grading take at most 325 seconds in all.
    """
    raise NotImplementedError("train: new networks, two optimizers, and the four parts of each step")


# %% [markdown] lang="en"
# `sample` draws with fresh random numbers for each drawing. Two traps: batch normalisation behaves differently in
# training (`generator.eval()` when you are done; else one single drawing cannot be normalised), and grading wants no
# gradients (`torch.no_grad()`).

# %% [markdown] lang="cs"
# `sample` kreslí každou kresbu z nových náhodných čísel. Dvě nástrahy: dávková normalizace se při učení chová jinak
# (po učení zavolejte `generator.eval()`, jinak jedinou kresbu normalizovat nelze) a gradienty tu nejsou potřeba
# (`torch.no_grad()`).


# %% nbgrader={"grade": false, "grade_id": "sample", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sample(count):
    """New drawings by the generator that was trained last.

    Args:
        count: how many, 1 or more.

    Returns a float32 tensor (count, 1, 8, 8) with values in [0, 1]. Takes at most 75 seconds; a hundredth of one should do.
    """
    raise NotImplementedError("sample: random numbers, and the trained generator")


# %% nbgrader={"grade": false, "grade_id": "training", "locked": true, "schema_version": 3, "solution": false, "task": false}
started = time.perf_counter()
history = train(images)
drawings = sample(240)
print(f"{len(history)} steps in {time.perf_counter() - started:.1f} s")
show({"images": images, "your drawings": drawings})
for name in ("generator", "discriminator"):
    plt.plot([step[name] for step in history], label=name, linewidth=0.5)
plt.xlabel("step")
plt.ylabel("loss")
plt.legend()
plt.show()

# %% [markdown] lang="en"
# Question on the way: losses of other networks fall in training. Why do these two not?
#
# ### Check: images as asked for

# %% [markdown] lang="cs"
# Otázka cestou: ztráty jiných sítí při učení klesají. Proč tyto dvě ne?
#
# ### Kontrola: obrázky podle zadání

# %% nbgrader={"grade": true, "grade_id": "test_sample_gives_images", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
assert sample(1).shape == (1, 1, 8, 8), f"sample(1) gives {tuple(sample(1).shape)} instead of (1, 1, 8, 8)"
assert drawings.shape == (240, 1, 8, 8), f"sample(240) gives {tuple(drawings.shape)} instead of (240, 1, 8, 8)"
assert drawings.min() >= 0 and drawings.max() <= 1, "some values are not in [0, 1]"
different = len((drawings * 255).round().flatten(1).unique(dim=0))
print(different, "of 240 drawings differ")
assert different >= 228, f"only {different} of 240 drawings differ: each needs random numbers of its own"

# %% [markdown] lang="en"
# ### Check: both networks learn
#
# What one of them wins, the other loses. So their losses do not rise and fall together.

# %% [markdown] lang="cs"
# ### Kontrola: učí se obě sítě
#
# Co jedna získá, druhá ztratí. Jejich ztráty tedy nerostou a neklesají společně.

# %% nbgrader={"grade": true, "grade_id": "test_both_networks_learn", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
losses = torch.tensor([[step["generator"], step["discriminator"]] for step in history])
assert len(losses) >= 200, f"{len(losses)} steps are in the history: at least 200 are wanted"
assert losses.isfinite().all(), "some losses are not finite"
means = losses[: len(losses) // 10 * 10].view(-1, 10, 2).mean(dim=1)
correlation = torch.corrcoef(means.T)[0, 1].item()
print(f"correlation of the two losses {correlation:.2f}")
assert correlation <= 0.3, "the losses move together, or one of them does not move at all: do both networks learn?"

# %% [markdown] lang="en"
# ### Check: the drawings look like digits
#
# How alike are two *sets* of images? The **Fréchet distance** compares their means and covariances, here of the
# pixels and as a share of the digits' variance. 0: alike; 1: about what one single image gets. Grading measures it in
# the features of a small classifier, which is what makes it a judge of shapes (Heusel et al., 2017), and asks how
# sure that classifier is of its answers.


# %% [markdown] lang="cs"
# ### Kontrola: kresby vypadají jako číslice
#
# Jak podobné si jsou dvě *množiny* obrázků? **Fréchetova vzdálenost** porovnává jejich průměry a kovariance, zde
# u pixelů a jako podíl rozptylu číslic. 0: stejné; 1: asi tolik, kolik dostane jediný obrázek. Hodnocení ji měří
# v příznacích malého klasifikátoru, díky čemuž posuzuje tvary (Heusel a kol., 2017), a ptá se, jak si je tento
# klasifikátor svými odpověďmi jistý.


# %% nbgrader={"grade": true, "grade_id": "test_drawings_look_like_digits", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
def frechet_distance(some, real):
    """Fréchet distance of the pixels of two sets of images (N, 1, 8, 8), as a share of the real images' variance."""
    some, real = some.flatten(1).double(), real.flatten(1).double()
    a, b = torch.cov(some.T), torch.cov(real.T)
    values, vectors = torch.linalg.eigh(a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ b @ root).clamp(min=0).sqrt().sum()
    distance = (some.mean(0) - real.mean(0)).square().sum() + a.trace() + b.trace() - 2 * cross
    return float(distance / b.trace())


for title, some in {"training images": images, "untrained": first_drawings, "your drawings": drawings}.items():
    print(f"{title:16} Fréchet distance to held-out digits {frechet_distance(some, held_out):.2f}")
distance = frechet_distance(drawings, held_out)
assert distance <= 0.40, f"the drawings are not digits yet: at most 0.40 is wanted, not {distance:.2f}"

# %% [markdown] lang="en"
# ### Check: every kind of digit is drawn
#
# A generator may find one digit that always fools the discriminator, and draw nothing else: **mode collapse**. So
# each drawing is given the label of the nearest digit. How evenly do they spread?

# %% [markdown] lang="cs"
# ### Kontrola: kreslí se všechny druhy číslic
#
# Generátor může objevit jednu číslici, která diskriminátor vždy oklame, a nic jiného nekreslit: **kolaps módů**. Každá
# kresba proto dostane jméno nejbližší číslice. Jak rovnoměrně se rozdělí?

# %% nbgrader={"grade": true, "grade_id": "test_every_kind_is_drawn", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
nearest = torch.cdist(drawings.flatten(1), images.flatten(1)).argmin(dim=1)
shares = {int(kind): float((digits.labels[nearest] == kind).float().mean()) for kind in digits.labels.unique()}
print({kind: round(share, 2) for kind, share in shares.items()})
assert min(shares.values()) >= 0.08, f"too few drawings of {min(shares, key=shares.get)}: a quarter would be even"

# %% [markdown] lang="en"
# ### Check: nothing is copied
#
# Training images, handed in as drawings, would pass all other checks splendidly. So we ask how far each drawing is
# from the nearest training image, where held-out digits are at 1 and copies at 0. Grading also finds copies that were
# shifted, hidden under noise, or mixed from two, and digits from elsewhere; where it does, the drawings earn nothing
# for being digits either.

# %% [markdown] lang="cs"
# ### Kontrola: nic není opsané
#
# Trénovací obrázky vydávané za kresby by všemi ostatními kontrolami skvěle prošly. Ptáme se proto, jak daleko má
# kresba k nejbližšímu trénovacímu obrázku; odložené číslice mají 1, kopie 0. Hodnocení najde i kopie posunuté, ukryté
# pod šumem nebo smíchané ze dvou a také číslice odjinud; potom kresby nedostanou body ani za to, že vypadají jako
# číslice.

# %% nbgrader={"grade": true, "grade_id": "test_nothing_is_copied", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
own = torch.cdist(drawings.flatten(1), images.flatten(1)).min(dim=1)
usual = torch.cdist(held_out.flatten(1), images.flatten(1)).min(dim=1).values.median()
show({"your drawings": drawings[:16], "the nearest training images": images[own.indices[:16]]})
novelty = float(own.values.median() / usual)
print(f"distance to the nearest training image {novelty:.2f}, held-out digits 1.00")
assert novelty >= 0.75, f"the drawings are too near to training images: at least 0.75 is wanted, not {novelty:.2f}"

# %% [markdown] lang="en"
# ## Star task (no points)
#
# - Walk from one point of the generator's input to another in sixteen steps and draw each. Do the digits change
#   gradually? What would a network show that had learnt its images by heart?
# - Keep a moving average of the generator's weights (0.995 of the old, 0.005 of the new, after each step) and draw
#   with that. What becomes better, and why?
# - Leave out batch normalisation, or let the discriminator take five steps for each of the generator's. What happens
#   to the losses, and to the drawings?

# %% [markdown] lang="cs"
# ## Úkol s hvězdičkou (bez bodů)
#
# - Projděte v šestnácti krocích z jednoho bodu na vstupu generátoru do druhého a každý nakreslete. Mění se číslice
#   plynule? Co by ukázala síť, která se obrázky naučila nazpaměť?
# - Udržujte klouzavý průměr vah generátoru (po každém kroku 0,995 starého a 0,005 nového) a kreslete s ním. Co se
#   zlepší a proč?
# - Vynechte dávkovou normalizaci, nebo nechte diskriminátor udělat pět kroků na každý krok generátoru. Co se stane se
#   ztrátami a co s kresbami?

# %% nbgrader={"grade": false, "grade_id": "star", "locked": false, "schema_version": 3, "solution": true, "task": false}
# Your own experiments.
