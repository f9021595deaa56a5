"""A small project of somebody's own and its finished store: what is done harm to.

It has a method with pictures, an ensemble, a search and a training that fails; a function, one of whose trainings was
stopped half-way; a script with a table of items; and a changed default that was accepted in writing.
"""

from __future__ import annotations

from pathlib import Path

DRAWN = '''"""A method with pictures."""

import io

from PIL import Image

import tablewright as tw
from tablewright.trainables.retrieval.view import MAP, RANK1, RetrievalView
from tests.toy_method import ToyConfig, ToyTrainable


class Drawing(ToyTrainable):
    def illustrate(self, config, runtime, network, extraction):
        drawn = io.BytesIO()
        Image.new("RGB", (8, 8), (int(100 * network) % 256, 0, 0)).save(drawn, "PNG")
        return {"weight": drawn.getvalue()}


class Drawn(ToyConfig):
    METHOD = "drawn"
    epochs: int = 2
    loudness: float = 1.0

    def make_trainable(self):
        return Drawing()


def make_study():
    toy, members = tw.Dataset("Toy"), [{"learning_rate": 0.1}, {"learning_rate": 0.2}]
    rows = [
        tw.Row("slow", members[0]),
        tw.Row("fast", members[1]),
        tw.Row("both", ensemble=members),
        tw.Row("fails", {"fails_at_epoch": 1}),
    ]
    table = tw.Ablation("rates", "Rates", Drawn(), [toy], rows, RetrievalView(), [MAP, RANK1])
    goal = tw.Objective(MAP, RetrievalView(split="val"))
    search = tw.Search(
        "rate", "Found", Drawn(), toy, {"learning_rate": tw.FloatRange(0.05, 0.45)}, goal, 3, RetrievalView(), [MAP]
    )
    return tw.Study("drawn", "Drawn", "ours", (0,), [table], [search])
'''

LINE = '''"""A function."""

import numpy as np

import tablewright as tw

ERROR = tw.Metric("error", "Error", higher_is_better=False, digits=2, is_fraction=False)


class Line(tw.Config):
    lr: float = 0.1
    size: int = 20


def points(config, split):
    rng = np.random.default_rng([config.size, {"train": 0, "val": 1, "test": 2}[split]])
    x = rng.normal(size=config.size)
    return x, 2 * x + rng.normal(0, 0.1, config.size)


def measure(config, model, split):
    x, y = points(config, split)
    errors = (model["slope"] * x - y) ** 2
    return tw.Measured({"error": errors.mean()}, {"error": errors})


@tw.method(Line, metrics=[ERROR], measure=measure, data=tw.Data("Points", ["points.csv"]))
def fit(config, run):
    model = {"slope": 0.0}
    x, y = points(config, "train")
    for _ in run.epochs(4, model=model):
        picked = np.random.permutation(config.size)[:5]
        model["slope"] -= config.lr * float((2 * x[picked] * (model["slope"] * x[picked] - y[picked])).mean())
        run.report(slope=model["slope"])
    return model


def make_study():
    table = tw.Ablation("steps", "Steps", Line(), [tw.Dataset("Points")], [tw.Sweep("lr", (0.1, 0.2))])
    return tw.Study("line", "Line", "ours", (0,), [table])
'''

HALF = '''"""The same function, of which a training was stopped."""

import tablewright as tw
from search_spaces.line import Line


def make_study():
    rows = [tw.Row("half"), tw.Row("x", {"lr": 0.3})]
    table = tw.Ablation("half", "Half", Line(size=30), [tw.Dataset("Points")], rows)
    return tw.Study("half", "Half", "ours", (0,), [table])
'''

COIN = '''"""A script."""

import tablewright as tw


@tw.script(
    "python coin.py {flags} --seed {seed} --out {out}",
    metrics=[tw.Metric("accuracy", "Accuracy")],
    data=tw.Data("Coins"),
    progress_file="progress.jsonl",
    items_file="items.csv",
)
class Coin(tw.Config):
    bias: float = 0.5


def make_study():
    table = tw.Ablation("bias", "Bias", Coin(), [tw.Dataset("Coins")], [tw.Sweep("bias", (0.3, 0.6))])
    return tw.Study("coin", "Coins", "ours", seeds=(0,), ablations=[table])
'''

COIN_SCRIPT = """import json
import random
import sys
from pathlib import Path

given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
out, rng = Path(given["--out"]), random.Random(given["--seed"])
hits = [rng.random() < float(given["--bias"]) for _ in range(10)]
with (out / "progress.jsonl").open("w", encoding="utf-8") as file:
    file.write(json.dumps({"epoch": 1, "loss": 0.5}) + "\\n")
(out / "items.csv").write_text("name,hit\\n" + "".join(f"{n},{int(hit)}\\n" for n, hit in enumerate(hits)))
accuracy = sum(hits) / len(hits)
(out / "metrics.json").write_text(json.dumps({"val": {"accuracy": accuracy}, "test": {"accuracy": accuracy}}))
print("done")
"""

FILES = {
    "search_spaces/drawn.py": DRAWN,
    "search_spaces/line.py": LINE,
    "search_spaces/half.py": HALF,
    "search_spaces/coin.py": COIN,
    "coin.py": COIN_SCRIPT,
    "points.csv": "x,y\n1,2\n2,4\n",
}
STUDIES = ("drawn", "line", "half", "coin")
OTHER_DEFAULT = ("loudness: float = 1.0", "loudness: float = 2.0")
"""What is changed once everything is recorded, and accepted."""


def write_project(folder: Path) -> None:
    """Write its files."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
