"""A small network on scikit-learn's digits, and its training loop."""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

SPLITS = {"train": slice(0, 1000), "val": slice(1000, 1300), "test": slice(1300, None)}


class Net(nn.Module):
    """Two convolutions and a classifier."""

    def __init__(self, width, dropout, norm):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(2 * width) if norm else nn.Identity()
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width * 4, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        return self.head(self.drop(x.flatten(1)))


def load(split):
    """Images and labels, in an order that is mixed once."""
    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[SPLITS[split]]
    return torch.tensor(images, dtype=torch.float32)[order].view(-1, 1, 8, 8) / 16, torch.tensor(labels)[
        order
    ]


def shifted(x):
    """Images moved by a pixel."""
    dy, dx = torch.randint(-1, 2, (2,)).tolist()
    return torch.roll(x, (dy, dx), (2, 3))


def one_epoch(net, optimiser, x, y, augmented):
    """Train for an epoch; gives the mean loss."""
    net.train()
    total = 0.0
    for batch in torch.randperm(len(y)).split(50):
        images = shifted(x[batch]) if augmented else x[batch]
        loss = F.cross_entropy(net(images), y[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += float(loss.detach()) * len(batch)
    return total / len(y)


@torch.no_grad()
def is_right(net, split):
    """Whether each image of a split is recognised."""
    x, y = load(split)
    return net.eval()(x).argmax(1) == y
