"""The batch norm between pooling and classifier."""

import torch

from tablewright.trainables.layers.neck import BatchNormNeck, EmbeddingHead


def test_the_bias_is_frozen_at_zero():
    """Only the scale of the neck is learnt."""
    neck = BatchNormNeck(4)
    neck(torch.randn(8, 4)).square().sum().backward()
    assert not neck.bias.requires_grad
    assert neck.bias.grad is None
    assert neck.weight.grad is not None
    assert torch.equal(torch.zeros(4), neck.bias)


def test_a_head_pools_and_normalises_over_the_batch():
    """In training every dimension has mean 0 and variance 1 over the batch."""
    head = EmbeddingHead(4)
    embeddings_BD = head(torch.rand(16, 4, 3, 2, generator=torch.Generator().manual_seed(0)) * 50)
    assert embeddings_BD.shape == (16, 4)
    torch.testing.assert_close(embeddings_BD.mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(embeddings_BD.var(0, correction=0), torch.ones(4), atol=1e-3, rtol=0)


def test_a_single_image_can_be_embedded_at_test():
    """Evaluation needs no second image."""
    assert EmbeddingHead(4).eval()(torch.rand(1, 4, 1, 1)).shape == (1, 4)
