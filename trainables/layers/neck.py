"""The batch norm between pooling and the classifier, and the head made with it.

Source: Luo et al., Bag of Tricks and a Strong Baseline for Deep Person Re-identification, CVPR-W 2019,
arXiv:1903.07071, Sec. 3.4 (BNNeck).

Legend: B images, C channels, H W height and width of a map, D embedding.
"""

from __future__ import annotations

from torch import Tensor, nn

from tablewright.trainables.layers.gem import GeM


class BatchNormNeck(nn.BatchNorm1d):
    """Batch norm over (B, D) whose bias stays 0, so that a cosine is measured around the origin."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.bias.requires_grad_(False)


class EmbeddingHead(nn.Module):
    """GeM, then the neck: (B, D, H, W) to (B, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pool = GeM()
        self.neck = BatchNormNeck(width)

    def forward(self, map_BDHW: Tensor) -> Tensor:
        """Give the embedding, not normalised to length one."""
        return self.neck(self.pool(map_BDHW))
