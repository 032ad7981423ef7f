"""Tiles are found wherever they stand, and nothing is found where there is none."""

from __future__ import annotations

import pytest
import torch

from netlens_core.measures.montage import evened, faded, find_tiles, share_of_channels_seen

HEIGHT, WIDTH = 20, 24


@pytest.fixture(scope="module")
def channels():
    noise = torch.rand(5, 1, HEIGHT // 2, WIDTH // 2, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(noise, (HEIGHT, WIDTH), mode="bilinear")[:, 0]


def stretched(channel):
    return (channel - channel.min()) / (channel.max() - channel.min())


def pasted(channels, corners):
    picture = torch.full((3, 90, 90), 0.3)
    for channel, (top, left) in zip(channels, corners, strict=True):
        picture[:, top : top + HEIGHT, left : left + WIDTH] = stretched(channel)
    return picture


CORNERS = [(0, 0), (5, 60), (31, 30), (60, 1), (66, 66)]


def test_tiles_are_found_where_they_are(channels):
    tiles = find_tiles(pasted(channels, CORNERS), channels)
    assert [(tile.top, tile.left) for tile in tiles] == CORNERS
    assert min(tile.explained for tile in tiles) > 0.99 and min(tile.contrast for tile in tiles) == 1
    assert share_of_channels_seen(tiles, channels) == 1


def test_scale_and_constant_channels_do_not_matter(channels):
    with_constant = torch.cat([faded(channels)[:2], torch.full((1, HEIGHT, WIDTH), 7.0)])
    tiles = find_tiles(pasted(channels, CORNERS), with_constant)
    assert [tile.channel for tile in tiles] == [0, 1] and share_of_channels_seen(tiles, with_constant) == 1


def test_a_channel_that_is_covered_or_not_there_is_not_seen(channels):
    picture = pasted(channels, [*CORNERS[:4], (58, 3)])  # over the fourth
    assert share_of_channels_seen(find_tiles(picture, channels), channels) == pytest.approx(4 / 5)
    assert find_tiles(torch.zeros(3, 10, 10), channels) == []
    assert share_of_channels_seen(find_tiles(torch.zeros(3, 90, 90), channels), channels) == 0
    assert share_of_channels_seen(find_tiles(torch.rand(3, 90, 90), channels), channels) == 0


def test_evened_channels_have_one_spread(channels):
    spreads = evened(channels * torch.tensor([1, 10, 100, 0.1, 0.01])[:, None, None]).std((1, 2))
    assert torch.allclose(spreads, torch.ones(5), atol=1e-4)
    assert faded(channels).std((1, 2))[2] == 0
