"""Cross-entropy against smoothed targets.

Source: Szegedy et al., Rethinking the Inception Architecture, CVPR 2016, Sec. 7, in the variant of
person re-identification code, which spreads the smoothing over the other classes only.

Legend: B images, I identities.
"""

from __future__ import annotations

from torch import Tensor


def smoothed_cross_entropy(logits_BI: Tensor, labels_B: Tensor, *, smoothing: float) -> Tensor:
    """Take the cross-entropy to 1 - ε at the label and ε / (I - 1) at each other class.

    `torch.nn.functional.cross_entropy(label_smoothing=ε)` differs: it puts ε / I everywhere.

    Args:
        logits_BI: before the softmax; at least two identities.
        labels_B: int64 in [0, I).
        smoothing: ε in [0, 1); 0 is plain cross-entropy.

    Returns:
        Mean over the batch, a scalar.
    """
    log_probability_BI = logits_BI.log_softmax(dim=1)
    of_label_B = log_probability_BI.gather(1, labels_B[:, None]).squeeze(1)
    of_others_B = log_probability_BI.sum(dim=1) - of_label_B
    share_of_others = smoothing / (logits_BI.shape[1] - 1)
    return -((1.0 - smoothing) * of_label_B + share_of_others * of_others_B).mean()
