"""What width and dropout are worth on two spirals: a function of one's own as a method."""

import torch
from torch.nn import functional as F

import tablewright as tw


class Spirals(tw.Config):
    lr: float = 0.05
    width: int = 32
    dropout: float = 0.1
    epochs: int = 8


def points(split):
    generator = torch.Generator().manual_seed({"train": 0, "val": 1, "test": 2}[split])
    angle, label = torch.rand(200, generator=generator) * 6, torch.arange(200) % 2
    x = torch.stack([angle.cos(), angle.sin()], 1) * angle[:, None] * (1 - 2 * label[:, None])
    return x + 0.1 * torch.randn(x.shape, generator=generator), label


def measure(config, net, split):
    x, label = points(split)
    logits = net.eval()(x)
    is_right = logits.argmax(1) == label
    perplexity = F.cross_entropy(logits, label).exp()
    return tw.Measured({"accuracy": is_right.float().mean(), "ppl": perplexity}, {"is_right": is_right})


ACCURACY = tw.Metric("accuracy", "Accuracy")
PERPLEXITY = tw.Metric("ppl", "PPL", higher_is_better=False, digits=2, is_fraction=False)


@tw.method(Spirals, metrics=[ACCURACY, PERPLEXITY], measure=measure, data=tw.Data("Two spirals"))
def fit(config, run):
    net = torch.nn.Sequential(
        torch.nn.Linear(2, config.width),
        torch.nn.ReLU(),
        torch.nn.Dropout(config.dropout),
        torch.nn.Linear(config.width, 2),
    )
    optimiser = torch.optim.SGD(net.parameters(), config.lr, momentum=0.9)
    x, label = points("train")
    for _ in run.epochs(config.epochs, model=net, optimiser=optimiser):
        for batch in torch.randperm(200).split(50):
            loss = F.cross_entropy(net.train()(x[batch]), label[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            run.report(loss=loss)
    return net


def make_study():
    rows = [tw.LeaveOneOut({"dropout": {"dropout": 0.0}}), tw.Row("half as wide", {"width": 16})]
    table = tw.Ablation("parts", "What each part is worth", Spirals(), [tw.Dataset("Spirals")], rows)
    search = tw.Search(
        "rate",
        "Learning rate found",
        Spirals(),
        tw.Dataset("Spirals"),
        {"lr": tw.FloatRange(0.01, 0.2, log=True)},
        tw.Objective(ACCURACY, Spirals.view("val")),
        num_trials=6,
    )
    return tw.Study("spirals", "Two spirals", "ours", seeds=(0, 1, 2), ablations=[table], searches=[search])
