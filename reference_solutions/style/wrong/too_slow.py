"""Steps without end: a loss that is to fall to exactly nothing."""

LOSES = ["test_style_arrives", "test_content_stays", "test_painted_anew", "test_hidden_pictures"]


# %%
def stylize(network, content, style):
    image = content
    while (image - style).abs().max() > 0:
        image = 0.5 * image + 0.5 * image
    return image
