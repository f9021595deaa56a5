"""What each method shows of its network."""

import numpy as np
import pytest
import torch

from tablewright.trainables.hacnn import Hacnn
from tablewright.trainables.hacnn import demo_config as hacnn_demo
from tablewright.trainables.mancs import Mancs
from tablewright.trainables.mancs import demo_config as mancs_demo
from tablewright.trainables.mdpr import Mdpr
from tablewright.trainables.mdpr import demo_config as mdpr_demo
from tablewright.trainables.pictures.attention_overlays import draw_attention
from tablewright.trainables.pictures.panel import ShowsPanels

NUM_CLASSES, NUM_IMAGES = 5, 2
MDPR_STAGES = [
    "stage5\nmap 1",
    "stage5\nmap 2",
    "stage5\nmean",
    "stage4\nmap 1",
    "stage4\nmap 2",
    "stage4\nmean",
]
HACNN_LEVELS = [f"{what}\nlevel {level}" for what in ("soft", "regions") for level in (1, 2, 3)]
MANCS_STAGES = [f"stage {number}\nmask" for number in (2, 3, 4)]
METHODS = {
    "mdpr": (Mdpr(), mdpr_demo(), MDPR_STAGES),
    "hacnn": (Hacnn(), hacnn_demo(), HACNN_LEVELS),
    "mancs": (Mancs(), mancs_demo(), MANCS_STAGES),
}


def shown(method, config):
    """An untrained network and its panels of two random images."""
    torch.manual_seed(0)
    network = method.build_network(config, NUM_CLASSES, {}).eval()
    images_BCHW = 255 * torch.rand(NUM_IMAGES, 3, config.data.height_px, config.data.width_px)
    with torch.inference_mode():
        return network, list(method.panels(config, network, images_BCHW))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_shows_what_its_paper_shows(name):
    """Its panels have the expected heads, maps of each image, boxes inside it, and finite values."""
    method, config, labels = METHODS[name]
    assert isinstance(method, ShowsPanels)
    _, panels = shown(method, config)
    assert labels == [panel.label for panel in panels]
    for panel in panels:
        if panel.heat_BHW is not None:
            assert (NUM_IMAGES, 3) == (len(panel.heat_BHW), panel.heat_BHW.dim())
            assert panel.heat_BHW.isfinite().all()
        if panel.boxes_BN4 is not None:
            assert (NUM_IMAGES, 4) == (len(panel.boxes_BN4), panel.boxes_BN4.shape[-1])
            assert (panel.boxes_BN4[..., 2:] >= panel.boxes_BN4[..., :2]).all()
            assert 0 <= panel.boxes_BN4.min() <= panel.boxes_BN4.max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_method_can_be_drawn(name):
    """The picture of what it shows is a PNG of a size that a store bears."""
    method, config, _ = METHODS[name]
    network, _ = shown(method, config)
    shape = (NUM_IMAGES, config.data.height_px, config.data.width_px, 3)
    images_BHWC = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    png = draw_attention(method, config, network, images_BHWC, torch.device("cpu"))
    assert png.startswith(b"\x89PNG")
    assert len(png) < 200_000


@pytest.mark.slow
def test_mdpr_without_its_soft_branch_shows_nothing():
    """A network without attention has no panels."""
    config = mdpr_demo()
    changed = config.model_dump()
    changed["network"] |= {"soft": None, "fusion": False}
    changed["losses"] |= {"diversity": None, "distillation": None}
    _, panels = shown(Mdpr(), type(config).model_validate(changed))
    assert [] == panels
