"""Trilinear attention: each channel's map gathered from the channels that look at the same places.

Source: TASN (Zheng et al., CVPR 2019), Eqs. 1 to 3 and Table 2, which has the seven forms below.

Legend: B images, C channels, h w height and width of a map, P = h w places.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

TrilinearForm = Literal[
    "X", "XX^TX", "N(X)X^TX", "N(X)N(X)^TX", "N(XX^TX)", "N(XX^T)X", "N(N(X)X^T)X"
]  # fmt: skip
TRILINEAR_FORMS: tuple[TrilinearForm, ...] = (
    "X", "XX^TX", "N(X)X^TX", "N(X)N(X)^TX", "N(XX^TX)", "N(XX^T)X", "N(N(X)X^T)X"
)  # fmt: skip


FORMS_WITH_TAU: tuple[TrilinearForm, ...] = ("N(X)X^TX", "N(X)N(X)^TX", "N(N(X)X^T)X")
"""Those with N(X), the one place where τ is."""


def trilinear_attention(features_BChw: Tensor, form: TrilinearForm, *, tau: float) -> Tensor:
    """Make one attention map of each channel.

    N is a softmax: of a map over its places, of a relation between channels over its second axis.

    Args:
        features_BChw: X, not negative.
        form: how X is multiplied with itself; the last one of Table 2 is the paper's.
        tau: N(X) is the softmax of tau X over places; every other softmax is of what stands in it, that over places
            of N(XX^TX) too. The paper has none (1), the official training code 7.

    Returns:
        (B, C, h, w), not negative.
    """
    batch, channels, height, width = features_BChw.shape
    features_BCP = features_BChw.reshape(batch, channels, height * width)
    if form == "X":
        return features_BChw
    transposed_BPC = features_BCP.transpose(1, 2)
    spread_BCP = (tau * features_BCP).softmax(dim=2)
    if form == "N(X)N(X)^TX":
        relation_BCC = spread_BCP @ spread_BCP.transpose(1, 2)
    elif form in ("N(X)X^TX", "N(N(X)X^T)X"):
        relation_BCC = spread_BCP @ transposed_BPC
    else:
        relation_BCC = features_BCP @ transposed_BPC
    if form in ("N(XX^T)X", "N(N(X)X^T)X"):
        relation_BCC = relation_BCC.softmax(dim=2)
    maps_BCP = relation_BCC @ features_BCP
    if form == "N(XX^TX)":
        maps_BCP = maps_BCP.softmax(dim=2)
    return maps_BCP.reshape(batch, channels, height, width)
