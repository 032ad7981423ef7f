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
# # What the network dreams of
#
# What does a network take for a daisy? You could search photos for the one that it is most sure of. Or you let it draw
# its own: begin with grey, ask in which direction the picture would excite the network more, take a small step, and ask
# again. Nobody draws, and yet something grows: the network's **dream** of a daisy. It shows what the network looks for,
# what it has learned along with it, and what it does not care about.
#
# The first picture that you get like this will disappoint you. You will find out why, repair it in two steps, and end
# with a picture in full colour that is more of a daisy to the network than any photo. It takes about an hour and a half.
#
# The checks below show how far you are. After `import netlens`, `netlens.check()` runs them from any cell.

# %% [markdown] lang="cs"
# # O čem síť sní
#
# Co považuje síť za sedmikrásku? Mohli byste prohledat fotografie a najít tu, kterou si je nejvíc jistá. Nebo ji necháte,
# ať si obrázek nakreslí sama: začnete šedou plochou, zeptáte se, kterým směrem by obrázek síť vybudil víc, uděláte malý
# krok a zeptáte se znovu. Nikdo nekreslí, a přece něco vyrůstá: **sen** sítě o sedmikrásce. Ukazuje, co síť hledá, co se
# naučila spolu s tím a na čem jí nezáleží.
#
# První obrázek, který takto získáte, vás zklame. Zjistíte proč, ve dvou krocích ho napravíte a skončíte u barevného
# obrázku, který je pro síť sedmikráskou víc než kterákoli fotografie. Zabere to asi hodinu a půl.
#
# Jak jste daleko, ukazují kontroly níže. Po `import netlens` je spustíte z kterékoli buňky: `netlens.check()`.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math

import matplotlib.pyplot as plt
import torch
from torch.nn import functional

from netlens_core.images import load_image, resize, to_8bit
from netlens_core.networks import load_network

network = load_network("efficientnet_lite0")
flower = load_image("flower.png")  # yours alone: everybody has another one


def show(pictures):
    """Show images (3, H, W) in [0, 1] side by side: a dict of title -> image."""
    _, axes = plt.subplots(1, len(pictures), figsize=(3.4 * len(pictures), 3.6), squeeze=False)
    for axis, (title, picture) in zip(axes[0], pictures.items()):
        axis.imshow(picture.permute(1, 2, 0))
        axis.set_title(title)
        axis.axis("off")
    plt.show()


# %% [markdown] lang="en"
# ## Measuring a dream
#
# Four numbers tell a dream from what only looks like one to the network, always on the image rounded to 256 levels:
#
# - the **probability** of the category;
# - the **evidence**: how far the category's logit stands above the mean of all logits. The probability ends at 1, the
#   evidence goes on. It is taken under six views, blurred, turned, from afar, mirrored and shifted, and the median counts;
# - **colourfulness** (Hasler and Süsstrunk, 2003): 0 is grey, 45 average, 82 highly colourful;
# - the share of **short waves**, of less than four pixels: photos have little there, noise has most of it.

# %% [markdown] lang="cs"
# ## Jak sen změřit
#
# Sen od toho, co jako sen vypadá jen v očích sítě, odliší čtyři čísla, vždy na obrázku zaokrouhleném na 256 úrovní:
#
# - **pravděpodobnost** kategorie;
# - **vybuzení**: o kolik je logit kategorie nad průměrem všech logitů. Pravděpodobnost končí u jedničky, vybuzení roste
#   dál. Měří se v šesti pohledech (rozostřený, dvakrát pootočený, zdálky, zrcadlený, posunutý obrázek) a platí medián;
# - **barevnost** (Hasler a Süsstrunk, 2003): 0 je šedá, 45 průměr, 82 velmi barevný obrázek;
# - podíl **krátkých vln**, tedy kratších než čtyři pixely: fotografie jich mají málo, u šumu převažují.


# %% nbgrader={"grade": false, "grade_id": "measures", "locked": true, "schema_version": 3, "solution": false, "task": false}
def moved(image, width, degrees):
    """An image (3, H, W) seen through a window `width` times as wide as it, turned; beyond the edges it is mirrored."""
    c, s = width * math.cos(math.radians(degrees)), width * math.sin(math.radians(degrees))
    grid = functional.affine_grid(torch.tensor([[[c, -s, 0.0], [s, c, 0.0]]]), [1, *image.shape], align_corners=False)
    return functional.grid_sample(image[None], grid, padding_mode="reflection", align_corners=False)[0]


def evidence(image, category):
    """Median over six views of how far the category's logit stands above the mean logit."""
    size = network.input_size
    whole = resize(to_8bit(image), size)
    blurred, shifted = resize(resize(whole, size // 2), size), whole.roll((size // 8, size // 8), (1, 2))
    turned, far = [moved(whole, 1, degrees) for degrees in (-14, 14)], moved(whole, 1.25, 0)
    with torch.no_grad():
        logits = network(torch.stack([blurred, *turned, far, whole.flip(2), shifted]).clamp(0, 1))
    return float((logits[:, network.category_index(category)] - logits.mean(dim=1)).quantile(0.5))


def colorfulness(image):
    """Spread of the colours and their distance from grey, in levels of 255."""
    red, green, blue = to_8bit(image) * 255
    opposed = torch.stack([red - green, (red + green) / 2 - blue]).flatten(1)
    return float(opposed.std(dim=1).norm() + 0.3 * opposed.mean(dim=1).norm())


def short_waves(image):
    """Share of the variance of the grey image that lies in waves shorter than four pixels."""
    grey = to_8bit(image).mean(dim=0)
    power = torch.fft.fft2(grey - grey.mean()).abs() ** 2
    height, width = grey.shape
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None])
    return float(power[frequency > 0.25].sum() / power.sum().clamp(min=1e-9))


def measured(image, category):
    """All four numbers, in words."""
    return (
        f"{category}: probability {network.probability(to_8bit(image), category):.2f}, "
        f"evidence {evidence(image, category):.1f}, colourfulness {colorfulness(image):.0f}, "
        f"short waves {short_waves(image):.2f}"
    )


grain = torch.rand(3, 224, 224)
show({"flower.png": flower, "noise": grain})
print("flower.png:", measured(flower, "daisy"))
print("noise:     ", measured(grain, "daisy"))

# %% [markdown] lang="en"
# ## Warm-up: climb
#
# In training, the gradient goes to the weights, and the images stay as they are. Now the weights stay, and the gradient
# goes to the **image**: how would the daisy's logit change if this pixel grew a little lighter? 150,528 answers, from one
# backward pass. To follow them uphill is called **activation maximisation** (Erhan, Bengio, Courville and Vincent, 2009).
#
# Begin with grey, `0.01 * torch.randn(3, 224, 224)` through a sigmoid, so that no number can leave [0, 1]. The numbers
# before the sigmoid are what you optimise: `requires_grad_()`, `torch.optim.Adam([numbers], lr=0.02)`, and as the loss
# *minus* the logit, because Adam descends. `network.folded()` answers like `network` and gives gradients twice as fast.
#
# Question on the way: why the logit, and not the probability? What is the gradient of a probability that is nearly 0?

# %% [markdown] lang="cs"
# ## Rozcvička: šplháme
#
# Při učení míří gradient do vah a obrázky zůstávají, jaké jsou. Teď zůstávají váhy a gradient míří do **obrázku**: jak by
# se změnil logit sedmikrásky, kdyby tento pixel trochu zesvětlal? 150 528 odpovědí z jediného zpětného průchodu. Když po
# nich stoupáme vzhůru, říká se tomu **maximalizace aktivace** (activation maximisation; Erhan, Bengio, Courville
# a Vincent, 2009).
#
# Začněte šedou: `0.01 * torch.randn(3, 224, 224)` a na to sigmoida, aby žádné číslo nemohlo opustit [0, 1]. Optimalizujete
# čísla před sigmoidou: `requires_grad_()`, `torch.optim.Adam([numbers], lr=0.02)` a jako ztráta *minus* logit, protože
# Adam sestupuje. `network.folded()` odpovídá jako `network` a gradienty dává dvakrát rychleji.
#
# Otázka cestou: proč logit, a ne pravděpodobnost? Jaký gradient má pravděpodobnost, která je skoro nulová?


# %% nbgrader={"grade": false, "grade_id": "climb", "locked": false, "schema_version": 3, "solution": true, "task": false}
def climb(network, category, steps=60):
    """An image (3, 224, 224) in [0, 1] for which the category's logit is high: gradient ascent on the pixels.

    `network(image)` gives logits (1, 1000); `network.category_index(category)` is the category's place among them.
    """
    raise NotImplementedError("climb: numbers, sigmoid, minus the logit as the loss, Adam")


# %% nbgrader={"grade": false, "grade_id": "climbed", "locked": true, "schema_version": 3, "solution": false, "task": false}
climbed = climb(network, "daisy")
show({"climbed": climbed, "enlarged": climbed[:, 80:144, 80:144]})
print(measured(climbed, "daisy"))

# %% [markdown] lang="en"
# The network is as sure as can be, and you see grey grain. Look at the four numbers: which of them notice?
#
# Is this what the network *means* by a daisy? Hardly: turned or blurred a little, most of the evidence is gone. There are
# far more patterns that happen to excite the network than pictures of daisies, and ascent finds the nearest. Two things
# keep it away from them: other **coordinates** and many **views**.
#
# ## First repair: waves instead of pixels
#
# Any picture is a sum of waves. In photos the long ones are strong and the short ones weak, about as 1/frequency. Pixels
# know nothing of that: a step changes each as much as the next, and most of the change is grain. So describe the picture
# by its **waves**, each scaled by how strong it is in photos. All pictures can still be reached, but a step of the same
# length goes mostly into long waves. (Olah, Mordvintsev and Schubert, *Feature Visualization*, 2017.)
#
# With colours it is the same: red, green and blue rise and fall together in photos, so that steps in RGB are mostly grey.
# `COLORS` turns three independent planes into RGB: the first is light and dark, the others are blue to yellow-red, and
# green to purple. Make the last two a little stronger, and the dream is more colourful.
#
# 1. Frequencies of the waves: `torch.fft.fftfreq(size)` down, `torch.fft.rfftfreq(size)` across, together `torch.hypot`.
# 2. Scale: 0.25 / frequency ** decay, with a decay a little above 1; the frequency 0 counts as 1/size.
# 3. `torch.view_as_complex(waves)` times scale, then `torch.fft.irfft2(..., s=(size, size), norm="ortho")`: three planes.
# 4. Planes to colours, then the sigmoid.

# %% [markdown] lang="cs"
# Síť si je jistá, jak jen to jde, a vy vidíte šedé zrno. Podívejte se na čtyři čísla: která z nich to prozradí?
#
# Je tohle to, co síť sedmikráskou *myslí*? Sotva: stačí obrázek trochu pootočit nebo rozostřit a většina vybuzení je
# pryč. Vzorů, které síť náhodou vybudí, je mnohem víc než obrázků sedmikrásek, a stoupání najde ten nejbližší. Držet se od
# nich dál pomohou dvě věci: jiné **souřadnice** a mnoho **pohledů**.
#
# ## První náprava: vlny místo pixelů
#
# Každý obrázek je součtem vln. Ve fotografiích jsou dlouhé vlny silné a krátké slabé, zhruba jako 1/frekvence. Pixely o tom
# nevědí nic: krok změní všechny stejně a většina změny je zrno. Popište tedy obrázek jeho **vlnami** a každou vynásobte
# tím, jak silná bývá ve fotografiích. Dosáhnout lze pořád na všechny obrázky, ale stejně dlouhý krok teď jde hlavně do
# dlouhých vln. (Olah, Mordvintsev a Schubert, *Feature Visualization*, 2017.)
#
# S barvami je to stejné: červená, zelená a modrá ve fotografiích stoupají a klesají společně, takže kroky v RGB jsou
# převážně šedé. `COLORS` převádí na RGB tři nezávislé roviny: první je světlo a tma, další dvě jdou od modré k žlutočervené
# a od zelené k purpurové. Když poslední dvě trochu zesílíte, bude sen barevnější.
#
# 1. Frekvence vln: `torch.fft.fftfreq(size)` svisle, `torch.fft.rfftfreq(size)` vodorovně, dohromady `torch.hypot`.
# 2. Měřítko: 0.25 / frekvence ** decay, kde decay je o něco větší než 1; frekvence 0 se počítá jako 1/size.
# 3. `torch.view_as_complex(waves)` krát měřítko, potom `torch.fft.irfft2(..., s=(size, size), norm="ortho")`: tři roviny.
# 4. Z rovin barvy, nakonec sigmoida.


# %% nbgrader={"grade": false, "grade_id": "colors", "locked": true, "schema_version": 3, "solution": false, "task": false}
COLORS = torch.tensor([[0.56, 0.19, 0.04], [0.58, 0.0, -0.11], [0.58, -0.19, 0.06]])  # rows: red, green, blue


# %% nbgrader={"grade": false, "grade_id": "image_of", "locked": false, "schema_version": 3, "solution": true, "task": false}
def image_of(waves, decay=1.25, chroma=1.4):
    """The image (3, size, size) in [0, 1] that waves (3, size, size // 2 + 1, 2) stand for; size is even.

    Args:
        waves: three planes of complex numbers as pairs of real ones. Zeros make an even grey.
        decay: how much weaker shorter waves are.
        chroma: how much stronger the second and third plane are.
    """
    raise NotImplementedError("image_of: frequencies, scale, inverse transform, colours, sigmoid")


# %% nbgrader={"grade": false, "grade_id": "waves", "locked": true, "schema_version": 3, "solution": false, "task": false}
waves = torch.randn(3, 128, 65, 2)
show({f"decay {decay}": image_of(waves, decay) for decay in (0, 0.7, 1.25, 2)})
for decay in (0, 0.7, 1.25, 2):
    print(f"decay {decay}: short waves {short_waves(image_of(waves, decay)):.2f}")

# %% [markdown] lang="en"
# These are random numbers, and still: which picture could be out of focus, and which could never be a photo?
#
# ## Second repair: another view each step
#
# A daisy stays one when you tilt your head. Grain does not: moved by half a pixel it means something else. So show the
# network another **view** in every step: a window of random width, turned by a random angle, at a random place. Whatever is
# to excite it under all of these has to be petals. `functional.affine_grid` and `functional.grid_sample` do it, and let the
# gradient through; `moved` above is an example of both (in their coordinates, the picture reaches from -1 to 1).
#
# Windows of 60 to 110 percent, up to 20 degrees either way, and with `padding_mode="reflection"` serve well.

# %% [markdown] lang="cs"
# Jsou to náhodná čísla, a přece: který obrázek by mohl být rozostřený snímek a který nemůže být fotografií nikdy?
#
# ## Druhá náprava: v každém kroku jiný pohled
#
# Sedmikráska zůstane sedmikráskou, i když nakloníte hlavu. Zrno ne: posunuté o půl pixelu znamená něco jiného. Ukažte tedy
# síti v každém kroku jiný **pohled**: výřez náhodné šířky, pootočený o náhodný úhel, na náhodném místě. Co ji má vybudit
# ve všech, to už musí být okvětní lístky. Poslouží `functional.affine_grid` a `functional.grid_sample`, které propouštějí
# gradient; příkladem obou je `moved` výše (v jejich souřadnicích sahá obrázek od -1 do 1).
#
# Dobře se osvědčují výřezy od 60 do 110 procent, natočení až o 20 stupňů na obě strany a `padding_mode="reflection"`.


# %% nbgrader={"grade": false, "grade_id": "random_view", "locked": false, "schema_version": 3, "solution": true, "task": false}
def random_view(image, size):
    """A random view (1, 3, size, size) of an image (3, H, W): wide or narrow, turned, shifted. Gradients pass through."""
    raise NotImplementedError("random_view: random width, angle and shift; affine_grid; grid_sample")


# %% nbgrader={"grade": false, "grade_id": "views", "locked": true, "schema_version": 3, "solution": false, "task": false}
show({f"view {number}": random_view(flower, 224)[0] for number in range(1, 6)})

# %% [markdown] lang="en"
# ## The task: `dream`
#
# Put it together: the ascent of `climb`, in the coordinates of `image_of`, on one `random_view` a step. A hundred steps and
# more, a rate of 0.05 that falls towards the end. Watch the number of steps and the time: up to 60 seconds are allowed for
# one dream, while the course's own solution takes about six.

# %% [markdown] lang="cs"
# ## Úkol: `dream`
#
# Dejte vše dohromady: stoupání z `climb`, v souřadnicích `image_of`, v každém kroku s jedním `random_view`. Sto kroků a víc,
# rychlost 0,05, která ke konci klesá. Hlídejte počet kroků a čas: na jeden sen máte nejvýš 60 sekund, vzorové řešení
# potřebuje asi šest.


# %% nbgrader={"grade": false, "grade_id": "dream", "locked": false, "schema_version": 3, "solution": true, "task": false}
def dream(network, category):
    """The network's dream of a category: an image that excites it more than any photo, in full colour and without noise.

    Args:
        network: called with an image, it gives logits (1, 1000); `network.category_index(category)` is its place there,
            `network.input_size` the size in pixels that it looks at.
        category: any of the network's categories by its English name: grading asks for one that you do not know.

    Returns a float32 tensor (3, H, W) with values in [0, 1], each side from 192 to 512 pixels. Rounded to 8 bits,
        the network gives the category a probability of at least 0.90,
        the evidence is far above that of photos,
        a daisy's colourfulness is at least 22, that of other categories 18,
        at most 0.18 of the variance lies in waves shorter than four pixels.
    It has to grow from noise: what resembles a given picture, or your other dreams, does not count.
    Takes at most 60 seconds on one processor core.
    Running the notebook and the 2 calls of grading take at most 270 seconds in all.
    """
    raise NotImplementedError("dream: ascent in waves, on one random view a step")


# %% [markdown] lang="en"
# ### Check: the network is sure of your daisy

# %% [markdown] lang="cs"
# ### Kontrola: síť si je vaší sedmikráskou jistá

# %% nbgrader={"grade": true, "grade_id": "test_network_is_sure", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
daisy = to_8bit(dream(network, "daisy"))
assert min(daisy.shape[1:]) >= 192, "the picture is too small: at least 192 pixels a side are wanted"
show({"climbed": climbed, "your dream": daisy, "flower.png": flower})
print(measured(daisy, "daisy"))

assert network.probability(daisy, "daisy") >= 0.90, "the network is not sure of your daisy"

# %% [markdown] lang="en"
# ### Check: it is more of a daisy than any photo
#
# Flowers and photos of daisies reach about the evidence of `flower.png`, dreams about twice as much.

# %% [markdown] lang="cs"
# ### Kontrola: je to sedmikráska víc než kterákoli fotografie
#
# Květiny a fotografie sedmikrásek vybudí síť asi jako `flower.png`, sny asi dvakrát tolik.

# %% nbgrader={"grade": true, "grade_id": "test_beats_every_photo", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
photo, dreamt = evidence(flower, "daisy"), evidence(daisy, "daisy")
print(f"evidence: flower.png {photo:.1f}, climbed {evidence(climbed, 'daisy'):.1f}, your dream {dreamt:.1f}")

assert dreamt >= 1.5 * photo, (
    f"{dreamt:.1f} is too little: at least {1.5 * photo:.1f} is wanted; more steps, more views?"
)

# %% [markdown] lang="en"
# ### Check: in full colour

# %% [markdown] lang="cs"
# ### Kontrola: v plných barvách

# %% nbgrader={"grade": true, "grade_id": "test_in_full_colour", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
print(f"colourfulness {colorfulness(daisy):.0f}")

assert colorfulness(daisy) >= 22, (
    f"a colourfulness of at least 22 is wanted, not {colorfulness(daisy):.0f}: chroma, rate?"
)

# %% [markdown] lang="en"
# ### Check: without noise

# %% [markdown] lang="cs"
# ### Kontrola: bez šumu

# %% nbgrader={"grade": true, "grade_id": "test_without_noise", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
print(f"short waves {short_waves(daisy):.2f}")

assert short_waves(daisy) <= 0.18, (
    f"at most 0.18 of short waves is wanted, not {short_waves(daisy):.2f}: a larger decay?"
)

# %% [markdown] lang="en"
# ### Check: a category that you do not know
#
# Here it is a strawberry. In grading it is another one.

# %% [markdown] lang="cs"
# ### Kontrola: kategorie, kterou neznáte
#
# Tady je to jahoda (strawberry). V hodnocení to bude něco jiného.

# %% nbgrader={"grade": true, "grade_id": "test_hidden_category", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
strawberry = to_8bit(dream(network, "strawberry"))
show({"daisy": daisy, "strawberry": strawberry})
print(measured(strawberry, "strawberry"))

assert network.probability(strawberry, "strawberry") >= 0.90, "the network is not sure of your strawberry"
assert colorfulness(strawberry) >= 18, "your strawberry is too grey: a colourfulness of at least 18 is wanted"
assert short_waves(strawberry) <= 0.18, "your strawberry is noisy: at most 0.18 of short waves is wanted"

# %% [markdown] lang="en"
# Questions to end with: what do you recognise in the dream, and how often is it there? Has the network any reason to draw
# one daisy, of the right size, on one stalk? What does it draw beside the flower, and from which photos did it learn that?
#
# ## Star task (no points)
#
# - Does another network see the daisy in your dream? `load_network("squeezenet1_1")`, or those of the jury,
#   `efficientnet_lite1` and `efficientnet_lite2`. Climb with the sum of two networks' logits: what changes?
# - Leave out one repair at a time: waves but no views, views but no waves. What does each of them do?
# - Dream twice of the same category. What stays, and what was chance?
# - Maximise two categories at once, or a single channel of an inner layer (`network.activations`). From which depth on do
#   things appear that have a name?

# %% [markdown] lang="cs"
# Otázky na závěr: co ve snu poznáváte a kolikrát to tam je? Má síť nějaký důvod nakreslit jednu sedmikrásku správné
# velikosti na jednom stonku? Co kreslí vedle květu a z jakých fotografií se to naučila?
#
# ## Úkol s hvězdičkou (bez bodů)
#
# - Vidí ve vašem snu sedmikrásku i jiná síť? `load_network("squeezenet1_1")` nebo sítě z poroty, `efficientnet_lite1`
#   a `efficientnet_lite2`. Šplhejte se součtem logitů dvou sítí: co se změní?
# - Vynechte vždy jednu nápravu: vlny bez pohledů, pohledy bez vln. Co dělá která z nich?
# - Nechte síť snít o téže kategorii dvakrát. Co zůstane a co byla náhoda?
# - Maximalizujte dvě kategorie najednou nebo jediný kanál některé vnitřní vrstvy (`network.activations`). Od jaké hloubky
#   se objevují věci, které mají jméno?

# %% nbgrader={"grade": false, "grade_id": "star", "locked": false, "schema_version": 3, "solution": true, "task": false}
# Your own experiments.
