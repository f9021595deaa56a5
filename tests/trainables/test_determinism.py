"""Torch is held for a training, and let go as it was."""

import pytest
import torch

from trainables.determinism import reproducible


@pytest.fixture(params=[True, False])
def tf32_before(request):
    """What somebody else has set TF32 to."""
    settings = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [setting.allow_tf32 for setting in settings]
    for setting in settings:
        setting.allow_tf32 = request.param
    yield request.param
    for setting, value in zip(settings, before, strict=True):
        setting.allow_tf32 = value


@pytest.mark.parametrize("fails", [False, True])
def test_float32_is_no_tf32_inside_and_as_it_was_after(tf32_before, fails):
    """Neither convolutions nor matrix products lose digits inside, and the setting is put back, errors or not."""
    try:
        with reproducible(torch.device("cpu")):
            inside = (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32)
            if fails:
                raise FloatingPointError
    except FloatingPointError:
        assert fails
    after = (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32)
    assert ((False, False), (tf32_before, tf32_before)) == (inside, after)
