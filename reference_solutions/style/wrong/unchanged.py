"""Hands the flower back."""

LOSES = ["test_style_arrives", "test_content_stays", "test_painted_anew", "test_hidden_pictures"]


# %%
def stylize(network, content, style):
    return content
