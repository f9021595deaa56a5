"""Two switches of a training that takes ten seconds and computes next to nothing."""

import time

import torch

import tablewright as tw

SCORE = tw.Metric("score", "Score")


class Slow(tw.Config):
    left: bool = True
    right: bool = True


def measure(config, net, split):
    return tw.Measured({"score": net.bias.detach().sigmoid().mean()})


@tw.method(Slow, metrics=[SCORE], measure=measure, data=tw.Data("Nothing"))
def fit(config, run):
    net = torch.nn.Linear(2, 1)
    for _ in run.epochs(20, model=net):
        with torch.no_grad():
            net.bias += 0.05 * torch.rand(1) * (1 + config.left + config.right)
        time.sleep(0.5)
        run.report(bias=net.bias)
    return net


def make_study():
    without = {"left": {"left": False}, "right": {"right": False}}
    table = tw.Ablation("switches", "Switches", Slow(), [tw.Dataset("Nothing")], [tw.LeaveOneOut(without)])
    return tw.Study("switches", "Two switches", "nobody", (0, 1, 2, 3), [table])
