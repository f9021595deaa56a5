"""Labels as a mask over classes."""

import torch

from tablewright.trainables.losses.label_mask import is_label


def test_each_image_has_its_class_and_no_other():
    """As one-hot vectors have it."""
    labels_B = torch.tensor([2, 0, 2, 1])
    assert torch.equal(torch.nn.functional.one_hot(labels_B, 4).bool(), is_label(labels_B, 4))
