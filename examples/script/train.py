"""Trains a small network on two moons: a script as people have it, which knows nothing of tables."""

import argparse
import json
from pathlib import Path

import torch
from torch.nn import functional as F


def moons(split):
    generator = torch.Generator().manual_seed({"train": 0, "val": 1, "test": 2}[split])
    label = torch.arange(300) % 2
    angle = torch.pi * torch.rand(300, generator=generator)
    x = torch.stack([angle.cos() + label, angle.sin() * (1 - 2 * label) + 0.5 * label], 1)
    return x + 0.2 * torch.randn(x.shape, generator=generator), label


def accuracy(net, split):
    x, label = moons(split)
    return float((net.eval()(x).argmax(1) == label).float().mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--no_noise", action="store_true", help="train on the points as they are")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--resume", type=Path)
    given = parser.parse_args()

    torch.manual_seed(given.seed)
    net = torch.nn.Sequential(
        torch.nn.Linear(2, given.width), torch.nn.ReLU(), torch.nn.Linear(given.width, 2)
    )
    optimiser = torch.optim.SGD(net.parameters(), given.lr, momentum=0.9)
    first = 1
    if given.resume:
        state = torch.load(given.resume)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["generator"])
        first = state["epoch"] + 1
    x, label = moons("train")
    for epoch in range(first, given.epochs + 1):
        for batch in torch.randperm(300).split(50):
            noise = 0 if given.no_noise else 0.1 * torch.randn(len(batch), 2)
            loss = F.cross_entropy(net.train()(x[batch] + noise), label[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        state = {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "epoch": epoch}
        torch.save({**state, "generator": torch.get_rng_state()}, given.out / "last.part")
        (given.out / "last.part").replace(given.out / "last.pt")
        told = {"epoch": epoch, "loss": loss.item(), "val_accuracy": accuracy(net, "val")}
        with (given.out / "progress.jsonl").open("a") as file:
            file.write(json.dumps(told) + "\n")
        print(told)
    metrics = {split: {"accuracy": accuracy(net, split)} for split in ("val", "test")}
    (given.out / "metrics.json").write_text(json.dumps(metrics))


if __name__ == "__main__":
    main()
