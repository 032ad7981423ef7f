"""Gives each colour channel the histogram of the painting."""

LOSES = ["test_style_arrives", "test_content_stays", "test_painted_anew", "test_hidden_pictures"]


# %%
def stylize(network, content, style):
    ours, theirs = content.flatten(1), style.flatten(1).sort(dim=1).values
    ranks = ours.argsort(dim=1).argsort(dim=1)
    return theirs.gather(1, ranks).view_as(content)
