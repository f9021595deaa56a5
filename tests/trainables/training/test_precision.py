"""In how many digits is computed: what a device cannot is refused, and what is asked for is what happens."""

import numpy as np
import pytest
import torch
from torch import nn

from tablewright.trainables.classification.view import ClassificationView
from tablewright.trainables.reidentification.extraction import embed_images
from tablewright.trainables.retrieval.view import RetrievalView
from tablewright.trainables.training.determinism import reproducible
from tablewright.trainables.training.precision import check_precision, computing_in, float32_of

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", ["tf32", "fp16", "bf16"])
def test_fewer_digits_without_gpu_are_refused_with_what_to_set(precision):
    """A CPU never trains in another precision than the config says."""
    with pytest.raises(ValueError, match=r"optimisation.precision .* needs a GPU.* 'fp32'"):
        check_precision(precision, "cpu")
    check_precision(precision, "cuda")
    check_precision("fp32", "cpu")


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_a_gpu_without_such_units_is_refused_by_name(precision, monkeypatch):
    """TF32 and bfloat16 came with Ampere; float16 is older."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    with pytest.raises(ValueError, match=r"Tesla T4 has 7.5; train on another GPU"):
        check_precision(precision, "cuda")
    check_precision("fp16", "cuda")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 6))
    check_precision(precision, "cuda")


def settings():
    return [
        torch.backends.cudnn.conv.fp32_precision,
        torch.backends.cuda.matmul.fp32_precision,
        torch.get_float32_matmul_precision(),
    ]


def test_tf32_is_of_convolutions_while_one_trains():
    """Distances stay in float32, measuring in between too, and the process has its settings back."""
    before = settings()
    with reproducible(CPU):
        exact = settings()
        assert ["ieee", "ieee", "highest"] == exact
        with float32_of("tf32"):
            assert ["tf32", "ieee", "highest"] == settings()
            with reproducible(CPU):  # an epoch is measured
                assert exact == settings()
            assert ["tf32", "ieee", "highest"] == settings()
        assert exact == settings()
        with float32_of("fp16"):
            assert exact == settings()
    assert before == settings()


def test_half_precision_is_of_what_runs_inside_alone():
    """Autocast of an outer block is off in float32."""
    layer, row = nn.Linear(4, 4), torch.rand(2, 4)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        with computing_in("fp32", "cpu"):
            assert torch.float32 is layer(row).dtype
        with computing_in("fp16", "cpu"):
            assert torch.float16 is layer(row).dtype
        assert torch.bfloat16 is layer(row).dtype


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3 * 8 * 4, 5)
        self.seen = []

    def embed(self, images_BCHW):
        embeddings_BD = self.layer(images_BCHW.flatten(1) / 255)
        self.seen.append(embeddings_BD.dtype)
        return {"whole": embeddings_BD}


def test_a_view_embeds_in_its_precision_and_keeps_float32():
    """The embeddings differ by the digits that bfloat16 has not, and by no more."""
    torch.manual_seed(0)
    network = Network()
    images_NHWC = np.random.default_rng(0).integers(0, 256, (70, 8, 4, 3), dtype=np.uint8)
    exact, rough = (
        embed_images(network, images_NHWC, CPU, flip=False, precision=precision)[0]["whole"]
        for precision in ("fp32", "bf16")
    )
    assert {torch.float32, torch.bfloat16} == set(network.seen)
    assert np.float32 == exact.dtype == rough.dtype
    assert not np.array_equal(exact, rough)
    np.testing.assert_allclose(exact, rough, atol=0.02)


@pytest.mark.parametrize("view", [RetrievalView(precision="fp16"), ClassificationView(precision="fp16")])
def test_a_view_says_its_precision_and_refuses_a_cpu(view):
    """In its protocol and its name, and apart from views of another; a view in float32 says nothing of it."""
    plain = type(view)()
    assert "fp16" in view.protocol
    assert "test.fp16" in view.short_name.replace("all.", "").replace("master.", "")
    assert "fp" not in plain.protocol + plain.short_name
    assert view.extracted_in != plain.extracted_in
    with pytest.raises(ValueError, match="a view's precision 'fp16' needs a GPU"):
        view.check_device("cpu")
    view.check_device("cuda")
    plain.check_device("cpu")
