"""What the papers' losses have in common."""

from dataclasses import dataclass

import torch

from tablewright.trainables.training.rank_by_rank import in_float32, terms_of_ranks


@dataclass(frozen=True)
class Outputs:
    embeddings_BD: dict[str, torch.Tensor]
    stripes_BD: list[torch.Tensor]
    logits_BI: torch.Tensor | None


def test_ranks_are_shared_evenly_and_widened_outside_of_autocast():
    """Each rank is one call; its terms are made in float32 and divided by the number of ranks."""
    calls = []

    def network(images_BCHW):
        calls.append(len(images_BCHW))
        return images_BCHW.bfloat16().flatten(1)

    def make_terms(outputs_BD, labels_B):
        assert not torch.is_autocast_enabled("cpu")
        return {"product": (in_float32(outputs_BD) @ torch.ones(12)).sum() + labels_B.sum()}

    images, labels = [torch.ones(2, 3, 2, 2)] * 2, [torch.tensor([0, 1])] * 2
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = list(terms_of_ranks(network, images, labels, make_terms))
    assert [2, 2] == calls
    assert [12.5, 12.5] == [float(term["product"]) for term in terms]
    assert all(term["product"].dtype is torch.float32 for term in terms)


def test_outputs_are_widened_to_any_depth_and_wide_ones_stay():
    """None stays None, float64 float64, and a tensor in float32 the very same."""
    half, single, double = (
        torch.rand(2, 2).to(dtype) for dtype in (torch.float16, torch.float32, torch.float64)
    )
    found = in_float32(Outputs({"whole": half}, [single, double], None))
    assert torch.equal(half.float(), found.embeddings_BD["whole"])
    assert found.stripes_BD[0] is single
    assert torch.float64 is found.stripes_BD[1].dtype
    assert found.logits_BI is None
