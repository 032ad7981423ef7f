"""Hands the painting back: its style beyond doubt, and no flower in it."""

LOSES = ["test_style_arrives", "test_content_stays", "test_painted_anew", "test_hidden_pictures"]


# %%
def stylize(network, content, style):
    return style
