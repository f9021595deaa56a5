"""Which recurrent cell foretells the next character best."""

import math

import char_rnn as rnn
import torch

import tablewright as tw

PPL = tw.Metric("ppl", "PPL", higher_is_better=False, digits=2, is_fraction=False)
BITS = tw.Metric("bits", "bits/char", higher_is_better=False, digits=2, is_fraction=False)
ACCURACY = tw.Metric("accuracy", "Accuracy")


class Characters(tw.Config):
    cell: str = "GRU"
    width: int = 48
    lr: float = 0.03


def measure(config, net, split):
    nats, hits = rnn.foretold(net, split)
    metrics = {"ppl": nats.mean().exp(), "bits": nats.mean() / math.log(2), "accuracy": hits.mean()}
    return tw.Measured(metrics, {"is_right": hits}, "characters")


ALICE = tw.Data("Alice", [rnn.TEXT])


@tw.method(Characters, metrics=[PPL, BITS, ACCURACY], measure=measure, data=ALICE, best_epoch="val_ppl")
def fit(config, run):
    net = rnn.Net(config.cell, config.width)
    optimiser = torch.optim.Adam(net.parameters(), config.lr)
    for _ in run.epochs(12, model=net, optimiser=optimiser):
        run.report(loss=rnn.one_epoch(net, optimiser), val_ppl=measure(config, net, "val").metrics["ppl"])
    return net


def make_study():
    alice, goal = tw.Dataset("Alice"), tw.Objective(PPL, Characters.view("val"))
    cells = tw.Ablation("cells", "Cells", Characters(), [alice], [tw.Sweep("cell", ("GRU", "LSTM", "RNN"))])
    rates = {"lr": tw.FloatRange(0.002, 0.2, log=True)}
    rate = tw.Search("rate", "Learning rate found", Characters(), alice, rates, goal, 10, pruner=tw.Median())
    return tw.Study("characters", "Next characters", "ours", (0, 1, 2), [cells], [rate])
