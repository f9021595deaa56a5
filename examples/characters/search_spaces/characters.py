"""Which recurrent cell foretells the next character best: a language model of the first pages of Alice."""

import math
from pathlib import Path

import torch
from torch.nn import functional as F

import tablewright as tw

TEXT = "alice.txt"  # Lewis Carroll, 1865, in the public domain
PPL = tw.Metric("ppl", "PPL", higher_is_better=False, digits=2, is_fraction=False)
BITS = tw.Metric("bits", "bits/char", higher_is_better=False, digits=2, is_fraction=False)
ACCURACY = tw.Metric("accuracy", "Accuracy")


class Characters(tw.Config):
    cell: str = "GRU"
    width: int = 48
    lr: float = 0.03
    epochs: int = 12


class Network(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embedding = torch.nn.Embedding(128, config.width)
        self.cells = getattr(torch.nn, config.cell)(config.width, config.width, batch_first=True)
        self.head = torch.nn.Linear(config.width, 128)

    def forward(self, signs):
        return self.head(self.cells(self.embedding(signs))[0])


def stretches(split):
    text = torch.tensor(list((Path(__file__).parent.parent / TEXT).read_bytes())).tensor_split(10)
    part = torch.cat({"train": text[:8], "val": text[8:9], "test": text[9:]}[split])
    return part[: len(part) // 50 * 50].view(-1, 50)


def losses_and_hits(net, signs):
    logits, following = net(signs[:, :-1]).flatten(0, 1), signs[:, 1:].flatten()
    return F.cross_entropy(logits, following, reduction="none"), logits.argmax(1) == following


@torch.no_grad()
def measure(config, net, split):
    losses, is_right = losses_and_hits(net, stretches(split))
    metrics = {"ppl": losses.mean().exp(), "bits": losses.mean() / math.log(2)}
    return tw.Measured({**metrics, "accuracy": is_right.float().mean()}, {"is_right": is_right}, "characters")


@tw.method(
    Characters,
    metrics=[PPL, BITS, ACCURACY],
    measure=measure,
    data=tw.Data("Alice", [TEXT]),
    best_epoch="val_ppl",
)
def fit(config, run):
    net, signs = Network(config), stretches("train")
    optimiser = torch.optim.Adam(net.parameters(), config.lr)
    for _ in run.epochs(config.epochs, model=net, optimiser=optimiser):
        for batch in torch.randperm(len(signs)).split(16):
            loss = losses_and_hits(net, signs[batch])[0].mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        run.report(loss=loss, val_ppl=measure(config, net, "val").metrics["ppl"])
    return net


def make_study():
    alice, goal = tw.Dataset("Alice"), tw.Objective(PPL, Characters.view("val"))
    cells = tw.Ablation("cells", "Cells", Characters(), [alice], [tw.Sweep("cell", ("GRU", "LSTM", "RNN"))])
    space = {"lr": tw.FloatRange(0.002, 0.2, log=True)}
    rate = tw.Search("rate", "Learning rate found", Characters(), alice, space, goal, 10, pruner="median")
    return tw.Study("characters", "Next characters", "ours", (0, 1, 2), [cells], [rate])
