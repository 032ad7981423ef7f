"""Half of the one and half of the other, pixel by pixel."""

LOSES = ["test_style_arrives", "test_content_stays", "test_painted_anew", "test_hidden_pictures"]


# %%
def stylize(network, content, style):
    return 0.5 * content + 0.5 * style
