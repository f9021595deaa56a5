"""Fits a sine with Lightning's Trainer: a script as people have it, which knows nothing of tables."""

import json
from argparse import ArgumentParser
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset


class Sine(pl.LightningModule):
    def __init__(self, lr, width):
        super().__init__()
        self.lr = lr
        self.net = torch.nn.Sequential(torch.nn.Linear(1, width), torch.nn.Tanh(), torch.nn.Linear(width, 1))

    def training_step(self, batch, index):
        x, y = batch
        return torch.nn.functional.mse_loss(self.net(x), y)

    def validation_step(self, batch, index):
        x, y = batch
        self.log("mse", torch.nn.functional.mse_loss(self.net(x), y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.lr)


class Progress(pl.Callback):
    def on_train_epoch_end(self, trainer, module):
        told = {"epoch": trainer.current_epoch, "val_mse": float(trainer.callback_metrics["mse"])}
        with (Path(trainer.default_root_dir) / "progress.jsonl").open("a") as file:
            file.write(json.dumps(told) + "\n")


def points(num, seed):
    x = 6 * torch.rand(num, 1, generator=torch.Generator().manual_seed(seed)) - 3
    return TensorDataset(x, x.sin())


def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--max-epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--root", type=Path, default=Path())
    given = parser.parse_args()
    pl.seed_everything(given.seed)
    trainer = pl.Trainer(
        max_epochs=given.max_epochs,
        default_root_dir=given.root,
        callbacks=[Progress(), pl.callbacks.ModelCheckpoint(given.root, save_last=True)],
        logger=False,
        accelerator="cpu",
        enable_progress_bar=False,
    )
    net, last = Sine(given.learning_rate, given.width), given.root / "last.ckpt"
    train, val = (DataLoader(points(256, seed), 32, shuffle=not seed) for seed in (0, 1))
    trainer.fit(net, train, val, ckpt_path=last if last.exists() else None)
    (measured,) = trainer.validate(net, DataLoader(points(256, 2), 32), verbose=False)
    (given.root / "metrics.json").write_text(json.dumps({"test": measured}))


if __name__ == "__main__":
    main()
