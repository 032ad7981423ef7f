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
# # Why did the network decide so?
#
# A network tells you *what* it sees, and how sure it is. It does not tell you *why*. A bank, a doctor or an engineer
# would like to know: did it look at the thing, or at something that happens to be near it?
#
# A **class activation map** answers a part of the question. It shows *where* in the picture there is what speaks for a
# category. You will make such a map with the network's own gradients, and then do what is left out far too often: test
# whether the map can be believed. It takes about an hour and a half.
#
# The checks below show how far you are. After `import netlens`, `netlens.check()` runs them from any cell.

# %% [markdown] lang="cs"
# # Proč se síť rozhodla právě takto?
#
# Síť vám řekne, *co* vidí a jak si je tím jistá. Neřekne vám *proč*. Banku, lékaře nebo inženýra by to přitom zajímalo:
# dívala se na tu věc, nebo na něco, co je jen náhodou poblíž?
#
# Na část otázky odpovídá **mapa aktivace třídy** (class activation map). Ukazuje, *kde* v obrázku je to, co mluví pro
# danou kategorii. Takovou mapu vytvoříte pomocí gradientů samotné sítě. A pak uděláte to, na co se příliš často
# zapomíná: ověříte, jestli se jí dá věřit. Zabere to asi hodinu a půl.
#
# Jak jste daleko, ukazují kontroly níže. Po `import netlens` je spustíte z kterékoli buňky: `netlens.check()`.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import matplotlib.pyplot as plt
import torch

from netlens_core.daisies import draw_daisy
from netlens_core.images import load_image, resize
from netlens_core.networks import load_network

network = load_network("efficientnet_lite0")
flower = load_image("flower.png")  # yours alone: everybody has another one
clock = load_image("clock.png")
scene = torch.cat([flower, clock], dim=2)


def show(pictures):
    """Show images (3, H, W) and maps (H, W) side by side: a dict of title -> picture with values in [0, 1]."""
    _, axes = plt.subplots(1, len(pictures), figsize=(4 * len(pictures), 3.4), squeeze=False)
    for axis, (title, picture) in zip(axes[0], pictures.items()):
        picture = picture.detach()
        axis.imshow(picture.permute(1, 2, 0) if picture.dim() == 3 else picture, vmin=0, vmax=1, cmap="inferno")
        axis.set_title(title)
        axis.axis("off")
    plt.show()


def overlay(image, heat):
    """The image, as bright as the map: what the map leaves of it."""
    return image * (0.15 + 0.85 * heat.clamp(0, 1))


show({"flower and clock": scene})
print([(category, round(probability, 3)) for category, probability in network.classify(scene, k=5)])

# %% [markdown] lang="en"
# Two things in one picture. Only one can be the network's first answer, but there is a logit for each: the number that
# speaks for a category before all of them are squeezed into probabilities.
#
# ## Warm-up: ask by covering
#
# The most honest question is an experiment. Cover a part with grey: which logit falls? Guess before you run the cell.

# %% [markdown] lang="cs"
# Dvě věci v jednom obrázku. První odpovědí sítě může být jen jedna, ale každá má svůj logit: číslo, které mluví pro
# kategorii předtím, než se všechna tato čísla převedou na pravděpodobnosti.
#
# ## Rozcvička: ptáme se zakrýváním
#
# Nejpoctivější otázka je pokus. Zakryjte část obrázku šedou: který logit klesne? Než buňku spustíte, tipněte si.

# %% nbgrader={"grade": false, "grade_id": "covering", "locked": true, "schema_version": 3, "solution": false, "task": false}
daisy, analog_clock = (network.category_index(name) for name in ("daisy", "analog clock"))
left_covered, right_covered = scene.clone(), scene.clone()
left_covered[:, :, :224] = 0.5
right_covered[:, :, 224:] = 0.5
show({"all": scene, "left covered": left_covered, "right covered": right_covered})
for title, picture in {"all": scene, "left covered": left_covered, "right covered": right_covered}.items():
    logits = network(picture)[0]
    print(f"{title:14} logit of daisy {float(logits[daisy]):6.2f}, of analog clock {float(logits[analog_clock]):6.2f}")

# %% [markdown] lang="en"
# Cover many small squares instead of two halves and you have a map, by **occlusion** (Zeiler and Fergus, 2014). It
# trusts no formula, but costs a classification for every square. Gradients give a map at the price of one.
#
# ## The last maps
#
# The network turns the picture into maps. Each channel of a layer says at each place how strongly it finds there what
# it looks for. The last maps are coarse, 7 x 7 places for a picture of 224 pixels, but they are the last ones that
# still have places at all: after them, the network takes the mean over all places and decides. So these maps know
# *what* there is, and still *where*.
#
# `last_maps(network, image)` gives them together with the logits. Some channels, out of many:

# %% [markdown] lang="cs"
# Zakryjte místo dvou polovin mnoho malých čtverců a máte mapu metodou **zakrývání** (occlusion; Zeiler a Fergus, 2014).
# Nespoléhá na žádný vzorec, ale za každý čtverec zaplatíte jednou klasifikací. Gradienty dají mapu za cenu jediné.
#
# ## Poslední mapy
#
# Síť mění obrázek na mapy. Každý kanál vrstvy říká pro každé místo, jak silně tam nachází to, co hledá. Poslední mapy
# jsou hrubé, u obrázku o straně 224 pixelů mají 7 x 7 míst, ale jsou to poslední mapy, které vůbec nějaká místa mají:
# po nich síť spočítá průměr přes všechna místa a rozhodne se. Tyto mapy tedy vědí, *co* v obrázku je, a ještě i *kde*.
#
# Funkce `last_maps(network, image)` je vrátí spolu s logity. Několik kanálů z mnoha:


# %% nbgrader={"grade": false, "grade_id": "last_maps", "locked": true, "schema_version": 3, "solution": false, "task": false}
def last_maps(network, image):
    """The network's last maps (1, channels, h, w) for an image, and the logits (categories) that it computes from them.

    Works for any convolutional network: the last output that still has places and does not stand for categories yet.
    Gradients of the logits flow to the maps. They can be asked for once.
    """
    kept = {}

    def keep(_layer, _inputs, output):
        with_places = torch.is_tensor(output) and output.dim() == 4 and output.shape[-1] > 1
        if with_places and output.shape[1] != len(network.categories):
            kept["maps"] = output

    hooks = [layer.register_forward_hook(keep) for layer in network.module.modules()]
    try:
        # One image, as a batch of one; without this requires_grad_ nothing would remember how the logits came about.
        logits = network(image.detach().clone()[None].requires_grad_(True))
    finally:
        for hook in hooks:
            hook.remove()
    return kept["maps"], logits[0]


maps, logits = last_maps(network, scene)
print("maps", tuple(maps.shape), "logits", tuple(logits.shape))
strongest = maps[0].detach().flatten(1).mean(dim=1).topk(5).indices.tolist()
show({f"channel {channel}": maps[0, channel] / maps[0, channel].max() for channel in strongest})

# %% [markdown] lang="en"
# Question on the way: which of these channels would you ask about the daisy? Which about the clock? How would you find
# out, for a thousand channels?
#
# ## The task: `class_activation_map`
#
# A channel that matters for the daisy is one whose growth makes the *logit of daisy* grow. That is a gradient. The
# recipe has a name, **Grad-CAM** (Selvaraju et al., 2017):
#
# 1. Take the gradient of the category's logit with respect to the last maps: `torch.autograd.grad(logit, maps)`.
# 2. Give each channel one **weight**: the mean of its gradient over all places.
# 3. Add up the maps, each times its weight. Positive places speak *for* the category, negative ones *against* it.
# 4. You want what speaks for it. What do you do with the rest?
# 5. Enlarge the coarse map smoothly to the image's size (`torch.nn.functional.interpolate`), and scale it to [0, 1].
#
# Questions on the way: why the logit, and not the probability? What happens to the map when you ask for a category
# that is not in the picture?
#
# Other ways are welcome, occlusion for one: grading looks at what the map is good for, not at how it was made.

# %% [markdown] lang="cs"
# Otázka cestou: kterého z těchto kanálů byste se ptali na sedmikrásku (daisy)? Kterého na hodiny? A jak byste to zjistili
# u tisíce kanálů?
#
# ## Úkol: `class_activation_map`
#
# Pro sedmikrásku je důležitý ten kanál, s jehož růstem roste *logit sedmikrásky*. To je gradient. Postup má i jméno,
# **Grad-CAM** (Selvaraju a kol., 2017):
#
# 1. Spočítejte gradient logitu kategorie podle posledních map: `torch.autograd.grad(logit, maps)`.
# 2. Každému kanálu dejte jednu **váhu**: průměr jeho gradientu přes všechna místa.
# 3. Mapy sečtěte, každou vynásobenou její vahou. Kladná místa mluví *pro* kategorii, záporná *proti* ní.
# 4. Chcete to, co mluví pro. Co uděláte se zbytkem?
# 5. Hrubou mapu plynule zvětšete na velikost obrázku (`torch.nn.functional.interpolate`) a převeďte ji na rozsah [0, 1].
#
# Otázky cestou: proč logit, a ne pravděpodobnost? Co se s mapou stane, když se zeptáte na kategorii, která v obrázku
# není?
#
# Jiné způsoby jsou vítány, třeba zakrývání: při hodnocení rozhoduje, k čemu mapa je, ne jak vznikla.


# %% nbgrader={"grade": false, "grade_id": "class_activation_map", "locked": false, "schema_version": 3, "solution": true, "task": false}
def class_activation_map(network, image, category):
    """Where in the image there is what speaks for the category, to this network.

    Args:
        network: any convolutional network; `network.category_index(category)` is the category's place among the logits.
        image: float32 tensor (3, H, W) with values in [0, 1], of any size, and not always square.
        category: its name, such as "daisy".

    Returns a float32 tensor (H, W) with values in [0, 1], at the image's size: 1 where most speaks for the category, 0
        where nothing does. Where nothing at all speaks for it, all is 0 (mind the division).
    Takes at most 15 seconds; a tenth of a second should do.
    Running the notebook and the 14 calls of grading take at most 270 seconds in all.
    """
    raise NotImplementedError("class_activation_map: gradient, weights, sum, only what speaks for it, size, scale")


# %% [markdown] lang="en"
# ### Check: the map fits the picture

# %% [markdown] lang="cs"
# ### Kontrola: mapa sedí na obrázek

# %% nbgrader={"grade": true, "grade_id": "test_map_fits_the_picture", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
heats = {category: class_activation_map(network, scene, category) for category in ("daisy", "analog clock")}
show({f"{category}?": heat for category, heat in heats.items()})
for category, heat in heats.items():
    print(f"{category:13} size {tuple(heat.shape)}, from {float(heat.min()):.2f} to {float(heat.max()):.2f}")

    assert heat.shape == scene.shape[1:], f"the map has the shape {tuple(heat.shape)}, the picture {scene.shape[1:]}"
    assert 0 <= float(heat.min()) <= 0.2, "the lowest place of the map is 0, or near it"
    assert 0.98 <= float(heat.max()) <= 1, "the highest place of the map is 1"

# %% [markdown] lang="en"
# ### Check: each thing on its own side
#
# A map of one flower in the middle proves little. A blurred spot in the middle lies on it as well, and so do the
# petals' edges. Two things are another matter: the map of "daisy" belongs on the flower, that of "analog clock" on the
# *same picture* belongs on the clock. Two numbers tell:
#
# - the **share of the map's sum** that lies on its own half,
# - the **correlation** of the two maps: 1 for equal maps, negative where one is high when the other is low.

# %% [markdown] lang="cs"
# ### Kontrola: každá věc na své straně
#
# Mapa jedné květiny uprostřed obrázku mnoho nedokazuje. Padne na ni i rozmazaná skvrna uprostřed a padnou na ni i hrany
# okvětních lístků. Se dvěma věcmi je to jinak: mapa pro „daisy“ patří na květinu, mapa pro „analog clock“ v *témže
# obrázku* patří na hodiny. Prozradí to dvě čísla:
#
# - **podíl součtu mapy**, který leží na její vlastní polovině,
# - **korelace** obou map: 1 u stejných map, záporná tam, kde je jedna vysoká, když je druhá nízká.


# %% nbgrader={"grade": true, "grade_id": "test_each_thing_on_its_own_side", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def correlation(a, b):
    """Pearson's correlation of two maps; 0 where one of them is the same everywhere."""
    a, b = a.double() - a.double().mean(), b.double() - b.double().mean()
    scale = float(a.norm() * b.norm())
    return float((a * b).sum()) / scale if scale > 1e-12 else 0.0


def share_inside(heat, rows, columns):
    """The share of a map's sum that lies in some rows and columns."""
    return float(heat[rows, columns].sum() / heat.sum().clamp(min=1e-9))


everywhere = slice(None)
on_flower = share_inside(heats["daisy"], everywhere, slice(0, 224))
on_clock = share_inside(heats["analog clock"], everywhere, slice(224, 448))
alike = correlation(*heats.values())
show({f"{category}?": overlay(scene, heat) for category, heat in heats.items()})
print(f"on its own half: daisy {on_flower:.2f}, analog clock {on_clock:.2f}; correlation of the two {alike:.2f}")

assert on_flower >= 0.58, f"only {on_flower:.2f} of the map of daisy is on the flower's half: at least 0.58 is wanted"
assert on_clock >= 0.58, f"only {on_clock:.2f} of the map of the clock is on its half: at least 0.58 is wanted"
assert alike <= 0.6, f"the maps are too much alike, {alike:.2f}: does yours ask for the category?"

# %% [markdown] lang="en"
# ### Check: pictures that your function has never seen
#
# Here the two change places, and the pictures have other sizes. Grading does the same with pictures of its own.

# %% [markdown] lang="cs"
# ### Kontrola: obrázky, které vaše funkce neviděla
#
# Tady si obě věci vymění místa a obrázky mají jiné velikosti. Při hodnocení se totéž zkusí na jiných obrázcích.

# %% nbgrader={"grade": true, "grade_id": "test_hidden_pictures", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
small_clock, small_flower = resize(clock, 160), draw_daisy(seed=5, size=160).image
places = {
    "clock on the left": (2, [small_clock, small_flower], (everywhere, slice(160, 320)), (everywhere, slice(0, 160))),
    "clock below": (1, [small_flower, small_clock], (slice(0, 160), everywhere), (slice(160, 320), everywhere)),
}
for title, (side, parts, of_daisy, of_clock) in places.items():
    picture = torch.cat(parts, dim=side)
    pair = [class_activation_map(network, picture, category) for category in ("daisy", "analog clock")]
    assert pair[0].shape == pair[1].shape == picture.shape[1:], f"{title}: a map has another size than the picture"
    show({title: picture, "daisy?": overlay(picture, pair[0]), "analog clock?": overlay(picture, pair[1])})
    found = share_inside(pair[0], *of_daisy), share_inside(pair[1], *of_clock)
    print(f"{title}: daisy {found[0]:.2f}, analog clock {found[1]:.2f}, correlation {correlation(*pair):.2f}")
    assert min(found) >= 0.58 and correlation(*pair) <= 0.6, f"{title}: the maps are not on their own sides"

# %% [markdown] lang="en"
# ### Check: does the network need what the map shows?
#
# A picture that looks right to you need not be what the network uses. So ask it: blur the picture until nothing is
# left, and let the map's hottest pixels come back first. If the map tells the truth, the logit climbs soon. For
# comparison, let pixels come back in the order of the *other* category's map. (This is *insertion*, from Petsiuk, Das
# and Saenko, 2018.)

# %% [markdown] lang="cs"
# ### Kontrola: potřebuje síť to, co mapa ukazuje?
#
# Co vypadá správně vám, nemusí být to, co používá síť. Zeptejte se jí tedy: rozmažte obrázek, až z něj nic nezbude,
# a vracejte do něj jako první nejteplejší pixely mapy. Pokud mapa říká pravdu, logit brzy vyroste. Pro srovnání
# vracejte pixely také v pořadí podle mapy *té druhé* kategorie. (Jde o metodu *insertion*; Petsiuk, Das a Saenko,
# 2018.)


# %% nbgrader={"grade": true, "grade_id": "test_network_needs_what_the_map_shows", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def insertion(network, image, heat, category, shares):
    """The category's logit, above the mean of all, when that share of the pixels, the hottest, is back in the image."""
    blurred = resize(resize(image, 8), tuple(image.shape[1:]))
    places = heat.flatten().argsort(descending=True, stable=True)
    rank = torch.empty_like(places)
    rank[places] = torch.arange(len(places))
    rank = rank.view(heat.shape)
    pictures = torch.stack([torch.where(rank < share * rank.numel(), image, blurred) for share in shares])
    with torch.no_grad():
        logits = network(pictures)
    return logits[:, network.category_index(category)] - logits.mean(dim=1)


shares = [k / 10 for k in range(11)]
_, axes = plt.subplots(1, 2, figsize=(9, 3.2))
gains = {}
for axis, category, other in zip(axes, heats, list(heats)[::-1]):
    first, second = (insertion(network, scene, heats[name], category, shares) for name in (category, other))
    axis.plot(shares, first, label=f"hottest of {category}? first")
    axis.plot(shares, second, "--", label=f"hottest of {other}? first")
    axis.set(title=f"logit of {category}", xlabel="share of the pixels that are back")
    axis.legend()
    gains[category] = float((first - second)[1:6].mean())
plt.show()
for category, gain in gains.items():
    print(f"{category:13} logit higher by {gain:.1f} than with the other map, while 10% to 50% are back")

assert min(gains.values()) >= 1.5, (
    "what the map shows first convinces the network hardly more than what the other shows"
)

# %% [markdown] lang="en"
# ### Check: does the map come from what was learnt?
#
# The last test is the sharpest. A network of the same build with random weights knows nothing of daisies. If your
# function gives it the same map, then the map shows the *picture*, its edges and colours, and not what the network has
# learnt. Several well-known methods have failed this test (Adebayo et al., 2018).

# %% [markdown] lang="cs"
# ### Kontrola: pochází mapa z toho, co se síť naučila?
#
# Poslední zkouška je nejpřísnější. Síť stejné stavby s náhodnými vahami neví o sedmikráskách nic. Pokud z ní vaše funkce
# dostane stejnou mapu, ukazuje mapa *obrázek*, jeho hrany a barvy, a ne to, co se síť naučila. Touto zkouškou neprošlo
# několik známých metod (Adebayo a kol., 2018).

# %% nbgrader={"grade": true, "grade_id": "test_map_comes_from_what_was_learnt", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
untrained = load_network(f"untrained:{network.name}")
ignorant = {category: class_activation_map(untrained, scene, category) for category in heats}
show({"trained: daisy?": heats["daisy"], "random weights: daisy?": ignorant["daisy"]})
alike = [correlation(heats[category], ignorant[category]) for category in heats]
print("correlation with the trained network's maps:", [round(value, 2) for value in alike])

assert all(bool(torch.isfinite(heat).all()) for heat in ignorant.values()), "NaN: do you divide by a map of zeros?"
assert sum(alike) / len(alike) <= 0.7, "a network that has learnt nothing gives the same map"

# %% [markdown] lang="en"
# ## Star task (no points)
#
# - Ask for "teapot" in the picture of flower and clock. The map is as bright as ever. Why? What would you show beside
#   a map, so that nobody is misled?
# - Write the map by occlusion and compare: where do the two disagree, and whom do you believe?
# - Lay `what_is_it.png` from the earlier exercise over the flower. Where does the network find its flamingo?
# - Take a photograph of your own in which the network is wrong. Does the map tell you why?

# %% [markdown] lang="cs"
# ## Úkol s hvězdičkou (bez bodů)
#
# - Zeptejte se v obrázku květiny a hodin na „teapot“. Mapa je jasná jako vždy. Proč? Co byste vedle mapy ukázali, aby
#   nikoho nezmátla?
# - Napište mapu pomocí zakrývání a porovnejte: kde se obě mapy rozcházejí a které věříte?
# - Položte přes květinu `what_is_it.png` z předchozí úlohy. Kde síť nachází svého plameňáka?
# - Vezměte vlastní fotografii, na které se síť mýlí. Prozradí vám mapa proč?

# %% nbgrader={"grade": false, "grade_id": "star", "locked": false, "schema_version": 3, "solution": true, "task": false}
# Your own experiments.
