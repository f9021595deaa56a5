"""Attention maps, boxes and samples beside the images they are of."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tablewright.trainables.pictures import attention_overlays
from tablewright.trainables.pictures.attention_overlays import draw_attention, draw_panels
from tablewright.trainables.pictures.panel import Panel, ShowsPanels

CPU = torch.device("cpu")


@pytest.fixture
def drawn(monkeypatch):
    """What is handed to the sheet: lines of tiles, heads."""
    kept = []

    def keep(lines, heads):
        kept.append((lines, heads))
        return b"png"

    monkeypatch.setattr(attention_overlays, "draw_sheet", keep)
    return kept


def test_heat_goes_from_blue_to_red_over_the_whole_column(drawn):
    """The lowest value of a column is dark blue, the highest dark red, whichever image they are in."""
    grey_BCHW = torch.full((2, 3, 8, 8), 100.0)
    heat_BHW = torch.stack([torch.full((2, 2), 0.25), torch.full((2, 2), 0.75)])
    draw_panels(grey_BCHW, [Panel("map", heat_BHW=heat_BHW)])
    lines, heads = drawn[0]
    assert ["image", "map\n0.25-0.75"] == heads
    assert [100, 100, 100] == lines[0][0].image_HWC[4, 4].tolist()
    assert [50, 50, 50 + 64] == lines[0][1].image_HWC[4, 4].tolist()
    assert [50 + 64, 50, 50] == lines[1][1].image_HWC[4, 4].tolist()


def test_heat_lies_where_the_map_has_it(drawn):
    """A map of another size is enlarged: its hot corner is red and its cold one blue."""
    heat_BHW = torch.zeros(1, 4, 2)
    heat_BHW[0, 0, 0] = 1
    draw_panels(torch.zeros(1, 3, 16, 8), [Panel("map", heat_BHW=heat_BHW)])
    tile = drawn[0][0][0][1].image_HWC
    assert tile[0, 0, 0] > 60 > tile[0, 0, 2]
    assert tile[-1, -1, 2] > 60 > tile[-1, -1, 0]


def test_a_map_that_is_the_same_everywhere_is_drawn_cold(drawn):
    """It gives one colour and no NaN."""
    draw_panels(torch.zeros(1, 3, 8, 8), [Panel("map", heat_BHW=torch.full((1, 2, 2), 0.5))])
    assert [0, 0, 64] == np.unique(drawn[0][0][0][1].image_HWC.reshape(-1, 3), axis=0).squeeze().tolist()


def test_samples_and_boxes_take_the_place_of_the_image(drawn):
    """A panel with images shows them; one with boxes shows them on the image."""
    boxes_BN4 = torch.tensor([[[0.0, 0.0, 1.0, 0.5], [0.0, 0.5, 1.0, 1.0]]])
    panels = [
        Panel("detail", images_BCHW=torch.full((1, 3, 4, 4), 300.0)),
        Panel("regions", boxes_BN4=boxes_BN4),
    ]
    draw_panels(torch.zeros(1, 3, 8, 8), panels)
    (_, detail, regions), heads = drawn[0][0][0], drawn[0][1]
    assert ["image", "detail", "regions"] == heads
    assert 255 == detail.image_HWC.min()
    assert [(0.0, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 1.0)] == regions.boxes


def test_with_many_panels_fewer_images_are_shown(drawn):
    """Six images of 19 columns would be too small to see: three are left; of seven columns all are shown."""
    images_BCHW = torch.zeros(6, 3, 8, 8)
    for num_panels, num_lines in ((18, 3), (6, 6)):
        draw_panels(images_BCHW, [Panel("map")] * num_panels)
        assert num_lines == len(drawn[-1][0])


class Shown:
    """A method whose network adds a random map; it says in which mode it ran."""

    def __init__(self, num_panels=1):
        self.num_panels, self.modes = num_panels, []

    def panels(self, config, network, images_BCHW):
        self.modes.append((network.training, torch.is_grad_enabled()))
        heat_BHW = network(images_BCHW)[:, 0] + torch.rand(len(images_BCHW), 1, 1)
        return [Panel(f"map {number}", heat_BHW=heat_BHW) for number in range(self.num_panels)]


@pytest.mark.slow
def test_a_method_is_shown_in_inference_mode_and_left_as_it_was():
    """The network's mode and the random generator are as before; bytes are equal."""
    network = nn.Conv2d(3, 1, 1).train()
    images_BHWC = np.random.default_rng(0).integers(0, 256, (4, 32, 16, 3), dtype=np.uint8)
    before = torch.get_rng_state()
    method = Shown()
    assert isinstance(method, ShowsPanels)
    pngs = [draw_attention(method, None, network, images_BHWC, CPU) for _ in range(2)]
    assert pngs[0] == pngs[1]
    assert [(False, False)] * 2 == method.modes
    assert network.training
    assert torch.equal(before, torch.get_rng_state())
    with Image.open(io.BytesIO(pngs[0])) as picture:
        assert "PNG" == picture.format


def test_nothing_to_show_draws_nothing():
    """A configuration without panels has no picture; a method without `panels` shows none."""
    images_BHWC = np.zeros((3, 8, 8, 3), dtype=np.uint8)
    assert draw_attention(Shown(0), None, nn.Conv2d(3, 1, 1), images_BHWC, CPU) is None
    assert not isinstance(object(), ShowsPanels)
