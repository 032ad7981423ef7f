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
# # What is in a network
#
# Before you ask a network what it thinks, look at what it is made of. In this notebook you write a **network analyser**:
# a function that lists a network's layers in the order in which an image passes them and tells, for each,
#
# - what **type** of layer it is;
# - its **activations**: what you get if you reach into the network right behind this layer, as height x width x channels;
# - its **learnables**: how many numbers in it change with learning. For a convolution these are the kernels of its filters
#   and one bias for each filter. A ReLU or a pooling learns nothing at all.
#
# The network is SqueezeNet (Iandola and others, 2016), made to recognise as much as AlexNet with a fiftieth of its
# learnables. Your analyser has to work for any other network as well. It takes about an hour and a half.
#
# The checks below show how far you are. After `import netlens`, `netlens.check()` runs them from any cell.

# %% [markdown] lang="cs"
# # Co je v síti
#
# Než se sítě zeptáte, co si myslí, podívejte se, z čeho je. V tomto notebooku napíšete **analyzátor sítí**: funkci, která
# vypíše vrstvy sítě v pořadí, v jakém jimi obrázek prochází, a u každé řekne,
#
# - jakého je **typu**;
# - jaké má **aktivace**: co dostanete, když sáhnete do sítě hned za tuto vrstvu, jako výška x šířka x kanály;
# - kolik má **učitelných parametrů** (learnables): kolik čísel se v ní mění učením. U konvoluce jsou to jádra filtrů a ke
#   každému filtru jeden práh (bias). ReLU ani pooling se neučí vůbec nic.
#
# Sítí je SqueezeNet (Iandola a další, 2016), navržená tak, aby poznala tolik co AlexNet s padesátinou parametrů. Váš
# analyzátor ale musí fungovat i pro jakoukoli jinou síť. Zabere to asi hodinu a půl.
#
# Jak jste daleko, ukazují kontroly níže. Po `import netlens` je spustíte z kterékoli buňky: `netlens.check()`.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import torch

from netlens_core.networks import load_network

# The architecture with random weights: what is asked here does not depend on the weights' values.
squeezenet = load_network("untrained:squeezenet1_1")


def show_table(rows, count=None):
    """Print the first rows of a table, or all of them."""
    print(f"{'':4}{'name':34}{'type':22}{'activations':16}{'learnables':>10}")
    for number, row in enumerate(rows[:count], 1):
        print(f"{number:<4}{row['name']!s:34}{row['type']!s:22}{row['activations']!s:16}{row['learnables']!s:>10}")


# %% [markdown] lang="en"
# ## What it should look like
#
# This is how the table of SqueezeNet for images of 227 x 227 pixels begins in a well-known analyser. The names are those
# of SqueezeNet's authors; yours may be others.
#
# | | name | type | activations | learnables |
# | --- | --- | --- | --- | --- |
# | 1 | data | Image Input | 227x227x3 | - |
# | 2 | conv1 | Convolution | 113x113x64 | Weights 3x3x3x64 Bias 1x1x64 |
# | 3 | relu_conv1 | ReLU | 113x113x64 | - |
# | 4 | pool1 | Max Pooling | 56x56x64 | - |
# | 5 | fire2-squeeze1x1 | Convolution | 56x56x16 | Weights 1x1x64x16 Bias 1x1x16 |
# | 6 | fire2-relu_squeeze1x1 | ReLU | 56x56x16 | - |
# | 7 | fire2-expand1x1 | Convolution | 56x56x64 | Weights 1x1x16x64 Bias 1x1x64 |
#
# Work out by hand, before you write any code:
#
# - conv1 has filters of 3 x 3 pixels that move by 2 pixels and are not padded. Why does it give 113 x 113, not 114 x 114?
# - How many numbers does conv1 learn, bias included?
# - Why does fire2-squeeze1x1, with filters of a single pixel, make sense at all?

# %% [markdown] lang="cs"
# ## Jak má tabulka vypadat
#
# Takto začíná v jednom známém analyzátoru tabulka sítě SqueezeNet pro obrázky o 227 x 227 pixelech. Jména vrstev jsou od
# autorů sítě; vaše mohou být jiná.
#
# | | name | type | activations | learnables |
# | --- | --- | --- | --- | --- |
# | 1 | data | Image Input | 227x227x3 | - |
# | 2 | conv1 | Convolution | 113x113x64 | Weights 3x3x3x64 Bias 1x1x64 |
# | 3 | relu_conv1 | ReLU | 113x113x64 | - |
# | 4 | pool1 | Max Pooling | 56x56x64 | - |
# | 5 | fire2-squeeze1x1 | Convolution | 56x56x16 | Weights 1x1x64x16 Bias 1x1x16 |
# | 6 | fire2-relu_squeeze1x1 | ReLU | 56x56x16 | - |
# | 7 | fire2-expand1x1 | Convolution | 56x56x64 | Weights 1x1x16x64 Bias 1x1x64 |
#
# Než začnete programovat, spočítejte ručně:
#
# - conv1 má filtry 3 x 3 pixely, posouvá je o 2 pixely a okraj nedoplňuje. Proč dává 113 x 113, a ne 114 x 114?
# - Kolik čísel se conv1 učí, počítáme-li i prahy?
# - Jaký má vůbec smysl fire2-squeeze1x1, když její filtry mají jediný pixel?

# %% [markdown] lang="en"
# ## Warm-up: which modules are layers?
#
# A network is a tree of modules: modules hold modules. Look at the beginning of SqueezeNet's.

# %% [markdown] lang="cs"
# ## Rozcvička: které moduly jsou vrstvy?
#
# Síť je strom modulů: moduly obsahují moduly. Podívejte se, jak začíná ten v SqueezeNet.

# %% nbgrader={"grade": false, "grade_id": "tree", "locked": true, "schema_version": 3, "solution": false, "task": false}
for name, module in list(squeezenet.module.named_modules())[:14]:
    own = {key: tuple(numbers.shape) for key, numbers in module.named_parameters(recurse=False)}
    print(
        f"{name or 'the network itself':30} {type(module).__name__:12} children: {len(list(module.children())):2}  {own or ''}"
    )

# %% [markdown] lang="en"
# `features` and `features.3` only hold others: they are no layers, and a row for them would count all below twice. So:
#
# > A **layer** is a module that has no modules in it, or that has numbers of its own to learn.
#
# The second half matters in networks whose batch normalisation carries its ReLU inside. Note `recurse=False`: a layer's own
# numbers, not those of its children. What has been learnt stands in `parameters`. Batch normalisation also keeps running
# means in `buffers`: these are measured, not learnt, and do not count.
#
# Write `layers`, which you need for the task.

# %% [markdown] lang="cs"
# `features` a `features.3` jen obsahují jiné moduly: vrstvy to nejsou a jejich řádek by všechno pod nimi započítal
# dvakrát. Tedy:
#
# > **Vrstva** je modul, který v sobě nemá další moduly, nebo má vlastní čísla, která se učí.
#
# Druhá polovina je důležitá v sítích, jejichž dávková normalizace má ReLU uvnitř. Všimněte si `recurse=False`: vlastní
# čísla vrstvy, ne čísla jejích potomků. Co se síť naučila, je v `parameters`. Dávková normalizace si navíc v `buffers`
# vede klouzavé průměry: ty se měří, neučí, a nepočítají se.
#
# Napište funkci `layers`, budete ji v úkolu potřebovat.


# %% nbgrader={"grade": false, "grade_id": "layers", "locked": false, "schema_version": 3, "solution": true, "task": false}
def layers(module):
    """The layers of a module: a dict of name -> layer, as named_modules() names them."""
    raise NotImplementedError("layers: modules without children, or with parameters of their own")


# %% nbgrader={"grade": false, "grade_id": "look_at_layers", "locked": true, "schema_version": 3, "solution": false, "task": false}
found = layers(squeezenet.module)
print(len(found), "layers:", ", ".join(list(found)[:6]), "…")
print("They learn", sum(numbers.numel() for layer in found.values() for numbers in layer.parameters(recurse=False)))

# %% [markdown] lang="en"
# ## The task: `analyze`
#
# `layers` gives the order in which the layers were *defined*. Your table needs the order in which they *compute*, and what
# they give. Both are known only while an image passes. So let one pass, a random one of the right size, and listen: a
# **forward hook** on each layer is called whenever the layer has computed.
#
# 1. `layer.register_forward_hook(note)` calls `note(layer, inputs, output)`; it returns a handle, and
#    `handle.remove()` takes the hook off again. Hooks that stay on listen to the next analysis as well.
# 2. A layer that computes twice has two rows. One ReLU serves many convolutions in some networks.
# 3. Activations are told as height x width x channels; torch has channels x height x width, after the batch. What a
#    fully connected layer gives is a vector, 1x1xC.
# 4. The network is frozen: `requires_grad` is False everywhere. That says nothing about what was learnt.
# 5. The size is an argument. 227 is one of many.

# %% [markdown] lang="cs"
# ## Úkol: `analyze`
#
# `layers` vrací vrstvy v pořadí, v jakém byly *definovány*. Tabulka potřebuje pořadí, v jakém *počítají*, a co z nich
# vychází. Obojí se pozná, až když sítí prochází obrázek. Pošlete tedy jeden, náhodný a správně velký, a naslouchejte:
# **forward hook** (háček) na vrstvě se zavolá pokaždé, když vrstva něco spočítá.
#
# 1. `layer.register_forward_hook(note)` bude volat `note(layer, inputs, output)`; vrátí objekt, jehož `remove()` háček zase
#    sundá. Háčky, které zůstanou, naslouchají i příští analýze.
# 2. Vrstva, která počítá dvakrát, má dva řádky. V některých sítích slouží jediné ReLU mnoha konvolucím.
# 3. Aktivace se uvádějí jako výška x šířka x kanály; torch má za rozměrem dávky kanály x výška x šířka. Plně propojená
#    vrstva dává vektor, 1x1xC.
# 4. Síť je zmrazená: `requires_grad` je všude False. O tom, co se síť naučila, to nic neříká.
# 5. Velikost je argument. 227 je jen jedna z mnoha.


# %% nbgrader={"grade": false, "grade_id": "analyze", "locked": false, "schema_version": 3, "solution": true, "task": false}
def analyze(network, input_size):
    """A table of a network's layers: a row for every layer each time that it computes, the input first.

    Args:
        network: any network of `load_network`. `network.module` is the bare module; it takes a batch (N, 3, H, W) of
            normalised images, and `network.normalize(images)` normalises them.
        input_size: height and width in pixels of the images that the table is for.

    Returns a list of dicts in the order of computation, each with
        "name": tells the row from all others, such as "features.3.squeeze";
        "type": the class of the layer, such as "Conv2d", or its usual name, such as "Convolution";
            the first row is the input's, of type "Image Input";
        "activations": height, width and channels of what the layer gives, as a list [113, 113, 64] or as text "113x113x64";
        "learnables": how many numbers it learns, bias included, such as 1792, or their sizes as text, such as
            "Weights 3x3x3x64 Bias 1x1x64"; 0 or "-" where it learns nothing.
        Rows for operations that are no modules (adding, concatenating) may be there or not, as well as those for
        nn.Identity and nn.Flatten. Rows for blocks of layers are wrong.
    Takes at most 12 seconds; a tenth of one should do.
    Running the notebook and the 5 calls of grading take at most 120 seconds in all.
    """
    raise NotImplementedError("analyze: a hook on every layer, one image through the network, a row for each call")


# %% [markdown] lang="en"
# ### Check: the layers

# %% [markdown] lang="cs"
# ### Kontrola: vrstvy

# %% nbgrader={"grade": true, "grade_id": "test_layers", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
table = analyze(squeezenet, 227)
show_table(table)

assert {"name", "type", "activations", "learnables"} <= set(table[0]), (
    "a row has a name, type, activations and learnables"
)
assert "input" in str(table[0]["type"]).lower(), "the first row is the input's"
convolutions = [row for row in table if "conv" in str(row["type"]).lower()]
assert len(convolutions) == 26, f"SqueezeNet has 26 convolutions, your table {len(convolutions)}"
assert len(table) >= 58, f"SqueezeNet has 57 layers, and an input: {len(table)} rows are too few"
assert len({row["name"] for row in table}) == len(table), "two rows have the same name"

# %% [markdown] lang="en"
# ### Check: activations
#
# The numbers of the classic table above.

# %% [markdown] lang="cs"
# ### Kontrola: aktivace
#
# Čísla z klasické tabulky nahoře.


# %% nbgrader={"grade": true, "grade_id": "test_activations", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def size_text(row):
    """A row's activations as text, however they were given."""
    size = row["activations"]
    return size if isinstance(size, str) else "x".join(str(int(side)) for side in size)


wanted = ["227x227x3", "113x113x64", "113x113x64", "56x56x64", "56x56x16", "56x56x16", "56x56x64"]
for row, size in zip(table, wanted):
    print(f"{row['name']!s:34} {size_text(row):14} {'' if size_text(row) == size else 'should be ' + size}")
assert [size_text(row) for row in table[:7]] == wanted, "height x width x channels of the first seven rows"


# %% [markdown] lang="en"
# ### Check: learnables
#
# SqueezeNet learns 1,235,496 numbers. Where are most of them?

# %% [markdown] lang="cs"
# ### Kontrola: učitelné parametry
#
# SqueezeNet se učí 1 235 496 čísel. Kde je jich nejvíc?


# %% nbgrader={"grade": true, "grade_id": "test_learnables", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def count(row):
    """A row's learnables as a number, however they were given."""
    told = row["learnables"]
    if not isinstance(told, str):
        return told
    sizes = [part for part in told.split() if part[0].isdigit()]
    return sum(torch.Size(map(int, size.split("x"))).numel() for size in sizes)


for row in sorted(table, key=count, reverse=True)[:5]:
    print(f"{row['name']!s:34} {count(row):>9,}")
total = sum(count(row) for row in table)
print(f"{'all':34} {total:>9,}")
assert count(table[1]) == 1792, "conv1: weights and bias"
assert total == 1_235_496, f"all rows together should learn 1,235,496 numbers, not {total:,}"


# %% [markdown] lang="en"
# ### Check: other sizes
#
# Learnables stay as they are; activations follow the image. Grading takes another size, and the course's network too.

# %% [markdown] lang="cs"
# ### Kontrola: jiné velikosti
#
# Učitelné parametry se nemění, aktivace se řídí obrázkem. Při hodnocení přijde na řadu jiná velikost a také síť kurzu.

# %% nbgrader={"grade": true, "grade_id": "test_other_sizes", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
network = load_network("efficientnet_lite0")
for known, size in ((squeezenet, 320), (network, 224)):
    rows = analyze(known, size)
    print(f"{known.name} at {size}: {len(rows)} rows, {sum(map(count, rows)):,} learnables, last {size_text(rows[-1])}")
    assert size_text(rows[0]) == f"{size}x{size}x3", "the input's row does not follow the size"
    learnt = sum(numbers.numel() for numbers in known.module.parameters())
    assert sum(map(count, rows)) == learnt, f"{learnt:,} learnables are in it"
assert any(size_text(row).startswith("159x159x64") for row in analyze(squeezenet, 320)), "conv1 gives 159x159x64 at 320"

# %% [markdown] lang="en"
# ### Check: other networks
#
# ResNet-18 takes shortcuts, and each of its blocks has one ReLU that computes twice. Grading brings another network still.

# %% [markdown] lang="cs"
# ### Kontrola: jiné sítě
#
# ResNet-18 má zkratky a každý její blok má jediné ReLU, které počítá dvakrát. Při hodnocení přijde ještě jiná síť.

# %% nbgrader={"grade": true, "grade_id": "test_other_networks", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
rows = analyze(load_network("untrained:resnet18"), 192)
show_table(rows, 14)
relus = [row for row in rows if "relu" in str(row["type"]).lower()]
assert len(relus) == 17, f"ResNet-18 computes 17 ReLUs, your table has {len(relus)}"
assert sum(map(count, rows)) == 11_689_512, f"ResNet-18 learns 11,689,512 numbers, not {sum(map(count, rows)):,}"

# %% [markdown] lang="en"
# ## Star task (no points)
#
# - What does a layer cost? Add a column with the multiplications of each convolution, from its learnables and activations.
#   Is the layer that learns most also the one that works most?
# - AlexNet (`untrained:alexnet`) learns 61 million numbers. Which of its layers does SqueezeNet do without?
# - Shapes betray a network's idea. Where does yours get smaller, where deeper, and why always together?

# %% [markdown] lang="cs"
# ## Úkol s hvězdičkou (bez bodů)
#
# - Co vrstva stojí? Přidejte sloupec s počtem násobení v každé konvoluci, spočítaným z parametrů a aktivací. Pracuje nejvíc
#   ta vrstva, která se nejvíc učí?
# - AlexNet (`untrained:alexnet`) se učí 61 milionů čísel. Bez kterých jeho vrstev se SqueezeNet obejde?
# - Rozměry prozradí, jak je síť vymyšlena. Kde se zmenšují, kde přibývá kanálů a proč se to děje vždy zároveň?

# %% nbgrader={"grade": false, "grade_id": "star", "locked": false, "schema_version": 3, "solution": true, "task": false}
# Your own experiments.
