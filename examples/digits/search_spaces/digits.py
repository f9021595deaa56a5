"""What each of four switches is worth on digits."""

import digits_cnn as cnn
import torch

import tablewright as tw

TOP1 = tw.Metric("top1", "Top-1")


class Digits(tw.Config):
    lr: float = 0.02
    width: int = 8
    dropout: float = 0.2
    norm: bool = True
    augmented: bool = True


def measure(config, net, split):
    is_right = cnn.is_right(net, split)
    return tw.Measured({"top1": is_right.float().mean()}, {"is_right": is_right}, "images")


@tw.method(Digits, metrics=[TOP1], measure=measure, data=tw.Data("Digits", version="scikit-learn"))
def fit(config, run):
    net, (x, y) = cnn.Net(config.width, config.dropout, config.norm), cnn.load("train")
    optimiser = torch.optim.SGD(net.parameters(), config.lr, momentum=0.9)
    for _ in run.epochs(6, model=net, optimiser=optimiser):
        run.report(loss=cnn.one_epoch(net, optimiser, x, y, config.augmented))
    return net


def make_study():
    without = {"dropout": {"dropout": 0.0}, "shifts": {"augmented": False}, "norm": {"norm": False}}
    digits, ranges = tw.Dataset("Digits"), {"lr": tw.FloatRange(0.002, 0.2, log=True)}
    rows = [tw.LeaveOneOut(without), tw.Row("twice as wide", {"width": 16})]
    table = tw.Ablation("switches", "What each switch is worth", Digits(), [digits], rows)
    goal = tw.Objective(TOP1, Digits.view("val"))
    search = tw.Search("rate", "Learning rate found", Digits(), digits, ranges, goal, num_trials=6)
    return tw.Study("digits", "Four switches", "ours", (0, 1, 2), [table], [search])
