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
# # A daisy that people see and the network does not
#
# An **adversarial image** is made so that a person and a network part ways over it: you see a daisy, the network
# swears to a flamingo. Such images are no accident of one network. Every network that has been tried can be fooled
# like this, and the reason tells much about how they see.
#
# You fool the network in two ways. First you lay `what_is_it.png`, the noise of the last exercise, over your own
# flower: a **mix**. Then you let the network itself tell you how to change the flower, and **craft** the smallest
# change that does. It takes about an hour and a half.
#
# The checks below show how far you are. After `import netlens`, `netlens.check()` runs them from any cell.

# %% [markdown] lang="cs"
# # Sedmikráska, kterou lidé vidí a síť ne
#
# **Adversariální obrázek** je vyroben tak, aby se na něm člověk a síť rozešli: vy vidíte sedmikrásku a síť přísahá, že
# je to plameňák. Takové obrázky nejsou výstřelkem jedné sítě. Dá se tak oklamat každá síť, na které se to kdy zkoušelo,
# a důvod toho hodně prozrazuje o tom, jak sítě vidí.
#
# Oklamete síť dvěma způsoby. Nejprve na svou květinu položíte `what_is_it.png`, šum z minulé úlohy: to je **směs**.
# Potom si od samotné sítě necháte poradit, jak květinu změnit, a **vyrobíte** nejmenší změnu, která stačí. Zabere to asi
# hodinu a půl.
#
# Jak jste daleko, ukazují kontroly níže. Po `import netlens` je spustíte z kterékoli buňky: `netlens.check()`.

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

# %% [markdown] lang="en"
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

# %% [markdown] lang="cs"
# ## Měřit, čeho si oko nevšimne
#
# Obě části potřebují čísla pro to, že „člověk nevidí rozdíl“. Zde i v hodnocení se používají tři, a to vždy na obrázku
# tak, jak by ho uchoval soubor, zaokrouhleném na 256 úrovní (`to_8bit`):
#
# - **Strukturní podobnost** (SSIM; Wang, Bovik, Sheikh a Simoncelli, 2004) porovnává jas, kontrast a vzor dvou obrázků
#   v malém okně, které po nich klouže. Hodnota 1 znamená shodu. Klesá, když obrázek překryje šum nebo když se posune či
#   zrcadlově převrátí.
# - **Největší změna pixelu** v úrovních z 255, jinak řečeno vzdálenost v normě L-nekonečno.
# - Hodnocení se ptá také **poroty**: lidské oko zastupují další sítě, proti kterým váš obrázek nevznikal. V tomto
#   notebooku jste porotou vy.
#
# Rozcvička: než buňku spustíte, odhadněte všechny tři podobnosti.


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

# %% [markdown] lang="en"
# ## First task: `mix`
#
# To the network, `what_is_it.png` is a flamingo beyond doubt. What if a little of it lies over the flower?
#
# Noise darkens where it is below mid-grey (0.5) and brightens where it is above. Laid over the flower with a small
# *amplitude*, it becomes a veil that you look through. Find out how strong it has to be: strong enough that the
# network no longer sees the daisy, faint enough that you do.

# %% [markdown] lang="cs"
# ## První úkol: `mix`
#
# Pro síť je `what_is_it.png` nade vši pochybnost plameňák. Co když ho na květině leží jen trocha?
#
# Šum ztmavuje tam, kde je pod střední šedí (0,5), a zesvětluje tam, kde je nad ní. Když ho na květinu položíte s malou
# *amplitudou*, vznikne závoj, přes který se díváte. Zjistěte, jak silný musí být: dost silný na to, aby síť sedmikrásku
# už neviděla, a dost slabý na to, abyste ji viděli vy.


# %% nbgrader={"grade": false, "grade_id": "mix", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mix(flower, noise, amplitude=0.0):
    """The flower with a veil of noise over it: a person sees a flower, the network does not.

    Args:
        flower: float32 tensor (3, H, W) with values in [0, 1].
        noise: the same shape and range; 0.5 is neutral.
        amplitude: how strong the noise is. Grading calls mix(flower, noise), so the default is what counts.

    Returns a float32 tensor (3, H, W) with values in [0, 1]: mind what lies outside after adding.
    Takes at most 30 seconds; a hundredth of one should do.
    """
    raise NotImplementedError("mix: add some of the noise to the flower, and choose the amplitude")


# %% [markdown] lang="en"
# Try several amplitudes. Where does the network give way, and where do you?

# %% [markdown] lang="cs"
# Vyzkoušejte několik amplitud. Kde se vzdá síť a kde vy?

# %% nbgrader={"grade": false, "grade_id": "amplitudes", "locked": true, "schema_version": 3, "solution": false, "task": false}
mixes = {f"amplitude {amplitude}": mix(flower, noise, amplitude) for amplitude in (0.03, 0.06, 0.12, 0.3)}
show(mixes)
for title, picture in mixes.items():
    best = network.classify(to_8bit(picture), k=1)
    print(f"{title:15} similarity {structural_similarity(picture, flower):.2f}, network says", best)

# %% [markdown] lang="en"
# Question on the way: the veil is far fainter than the flower. Why does it outweigh the flower for the network, and
# not for you?
#
# ### Check: the network does not see the flower in your mix

# %% [markdown] lang="cs"
# Otázka cestou: závoj je mnohem slabší než květina. Proč u sítě převáží, a u vás ne?
#
# ### Kontrola: síť ve vaší směsi květinu nevidí

# %% nbgrader={"grade": true, "grade_id": "test_mix_fools_the_network", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
mixed = to_8bit(mix(flower, noise))
show({"your mix": mixed})
daisy = network.probability(mixed, "daisy")
print(f"the network: daisy {daisy:.3f};", network.classify(mixed, k=3))

assert daisy <= 0.10, f"the network still sees a daisy, with probability {daisy:.2f}: at most 0.10 is wanted"

# %% [markdown] lang="en"
# ### Check: you do

# %% [markdown] lang="cs"
# ### Kontrola: vy ano

# %% nbgrader={"grade": true, "grade_id": "test_mix_shows_the_flower", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
similarity = structural_similarity(mixed, flower)
print(f"similarity to the flower {similarity:.2f}")

assert mixed.shape == flower.shape, "the mix has another shape than the flower"
assert similarity >= 0.40, f"too little is left of the flower: a similarity of at least 0.40 is wanted"
assert similarity < 0.99, "this is the flower, not a mix"

# %% [markdown] lang="en"
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

# %% [markdown] lang="cs"
# ## Druhý úkol: `craft`
#
# Onen šum vznikl pro libovolnou květinu. Změna vyrobená přímo pro *vaši* květinu může být tak malá, že ji nikdo neuvidí.
#
# Síť je funkcí obrázku, a tak se jí můžete zeptat na **gradient**: kterým směrem u každého ze 150 528 čísel obrázku
# sedmikráska ztrácí? Učení jde po gradientu s váhami a obrázky nechává být. Vy děláte opak.
#
# 1. **Co snižovat.** *Odstup*: logit sedmikrásky minus největší ze všech ostatních logitů. Dokud je kladný, odpovídá síť
#    „sedmikráska“.
# 2. **Jak kráčet.** Rozhoduje jen znaménko gradientu. Každý pixel udělá jeden malý, stejně dlouhý krok dolů nebo nahoru,
#    třeba 1/255. To je metoda rychlého znaménka gradientu (fast gradient sign method; Goodfellow, Shlens a Szegedy,
#    2015).
# 3. **Jak zůstat nablízku.** Po každém kroku omezte *změnu* na povolený rozsah, například 4/255 pro každý pixel,
#    a obrázek na [0, 1]. Mnoho malých kroků, po každém taková projekce: tomu se říká **projektovaný gradientní sestup**
#    (projected gradient descent; Madry, Makelov, Schmidt, Tsipras a Vladu, 2018).
# 4. **Kdy přestat.** Ne hned, jakmile odstup klesne pod 0: síť si má být svým omylem jistá. A dívejte se na
#    *zaokrouhlený* obrázek: změna o půl úrovně se při uložení ztratí.
#
# V torchi: než odstup z `flower + change` spočítáte, zavolejte `change.requires_grad_(True)`; pak
# `torch.autograd.grad(margin, change)`. Váhy sítě jsou zmrazené a nic nepotřebují. `network.folded()` odpovídá jako
# `network` a gradienty dává asi dvakrát rychleji.


# %% nbgrader={"grade": false, "grade_id": "craft", "locked": false, "schema_version": 3, "solution": true, "task": false}
def craft(network, flower):
    """The flower with the smallest change that you can find, so that the network does not see a daisy in it.

    Args:
        network: called with an image, it gives logits (1, 1000); `network.category_index("daisy")` is the daisy's place.
        flower: float32 tensor (3, H, W) with values in [0, 1]. Any daisy: grading brings some that you have not seen.

    Returns a float32 tensor (3, H, W) with values in [0, 1]. Rounded to 8 bits,
        the network gives daisy a probability of at most 0.10,
        the structural similarity to the flower is at least 0.93,
        no pixel has changed by more than 16 levels of 255.
    Takes at most 30 seconds for one flower; one or two should do.
    Running the notebook and the 5 calls of grading take at most 210 seconds in all.
    """
    raise NotImplementedError("craft: margin, gradient, step, projection; until the rounded image fools the network")


# %% [markdown] lang="en"
# ### Check: the network is fooled

# %% [markdown] lang="cs"
# ### Kontrola: síť je oklamaná

# %% nbgrader={"grade": true, "grade_id": "test_network_is_fooled", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
adversarial = to_8bit(craft(network, flower))
assert adversarial.shape == flower.shape, "the image has another shape than the flower"
show({"flower": flower, "yours": adversarial, "change, 20 times": (0.5 + 20 * (adversarial - flower)).clamp(0, 1)})
daisy = network.probability(adversarial, "daisy")
print(f"the network: daisy {daisy:.3f};", network.classify(adversarial, k=3))

assert daisy <= 0.10, f"the network still sees a daisy, with probability {daisy:.2f}: at most 0.10 is wanted"

# %% [markdown] lang="en"
# ### Check: you are not

# %% [markdown] lang="cs"
# ### Kontrola: vy ne

# %% nbgrader={"grade": true, "grade_id": "test_people_still_see_a_daisy", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
similarity, change = structural_similarity(adversarial, flower), largest_change(adversarial, flower)
print(f"similarity to the flower {similarity:.3f}, largest change {change} levels")

assert similarity >= 0.93, f"the change shows: a similarity of at least 0.93 is wanted, not {similarity:.2f}"
assert change <= 16, f"some pixels stand out: at most 16 levels are wanted, not {change}"

# %% [markdown] lang="en"
# ### Check: flowers that your function has never seen
#
# The last check draws two new daisies. Grading draws two others.

# %% [markdown] lang="cs"
# ### Kontrola: květiny, které vaše funkce nikdy neviděla
#
# Poslední kontrola nakreslí dvě nové sedmikrásky. Hodnocení nakreslí dvě jiné.

# %% nbgrader={"grade": true, "grade_id": "test_hidden_flowers", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
for color in ("white", "yellow"):
    other = draw_daisy(seed=5, color=color).image
    crafted = to_8bit(craft(network, other))
    daisy, similarity = network.probability(crafted, "daisy"), structural_similarity(crafted, other)
    print(f"{color:7} daisy {daisy:.3f}, similarity {similarity:.3f}, change {largest_change(crafted, other)} levels")
    assert daisy <= 0.10 and similarity >= 0.93 and largest_change(crafted, other) <= 16, f"not the {color} daisy"

# %% [markdown] lang="en"
# ## Star task (no points)
#
# - How small can the budget get before `craft` fails? What does that say about the distance from a daisy to the
#   nearest image that is none, as the network sees it?
# - Choose the mistake: lower the margin of "flamingo" over all others, with the sign turned round.
# - Shift your image by one pixel, blur it a little, save it as JPEG: is the network still fooled? Would an image that
#   survives all this still be invisible to you?

# %% [markdown] lang="cs"
# ## Úkol s hvězdičkou (bez bodů)
#
# - Jak malý může být povolený rozsah, než `craft` přestane stačit? Co to říká o vzdálenosti sedmikrásky od nejbližšího
#   obrázku, který v očích sítě sedmikráskou není?
# - Vyberte si omyl sami: snižujte odstup „plameňáka“ ode všech ostatních kategorií, s opačným znaménkem.
# - Posuňte svůj obrázek o jeden pixel, trochu ho rozostřete, uložte ho jako JPEG: je síť stále oklamaná? Byl by obrázek,
#   který tohle všechno přežije, pro vás stále k nerozeznání?

# %% nbgrader={"grade": false, "grade_id": "star", "locked": false, "schema_version": 3, "solution": true, "task": false}
# Your own experiments.
