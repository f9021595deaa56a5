"""A language model of characters, and its training loop."""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

TEXT = "alice.txt"  # the first pages of Lewis Carroll's book of 1865, in the public domain


class Net(nn.Module):
    """A recurrent layer between an embedding and a classifier of the next character."""

    def __init__(self, cell, width):
        super().__init__()
        self.embedding = nn.Embedding(128, width)
        self.cells = getattr(nn, cell)(width, width, batch_first=True)
        self.head = nn.Linear(width, 128)

    def forward(self, signs):
        return self.head(self.cells(self.embedding(signs))[0])


def stretches(split):
    """Fifty characters each, of the first eight tenths of the text, the ninth, or the last."""
    text = torch.tensor(list(Path(__file__).with_name(TEXT).read_bytes())).tensor_split(10)
    part = torch.cat({"train": text[:8], "val": text[8:9], "test": text[9:]}[split])
    return part[: len(part) // 50 * 50].view(-1, 50)


def losses_and_hits(net, signs):
    """For each character how badly it was foretold, in nats, and whether it was the likeliest."""
    logits, following = net(signs[:, :-1]).flatten(0, 1), signs[:, 1:].flatten()
    return F.cross_entropy(logits, following, reduction="none"), logits.argmax(1) == following


@torch.no_grad()
def foretold(net, split):
    """The same of a whole split, as numbers."""
    losses, is_right = losses_and_hits(net, stretches(split))
    return losses, is_right.float()


def one_epoch(net, optimiser):
    """Train for an epoch; gives the last loss."""
    signs = stretches("train")
    for batch in torch.randperm(len(signs)).split(16):
        loss = losses_and_hits(net, signs[batch])[0].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return loss.detach()
