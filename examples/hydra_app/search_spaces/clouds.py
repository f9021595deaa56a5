"""What the parts of an app of Hydra are worth."""

import tablewright as tw


class Optimizer(tw.FrozenModel):
    lr: float = 0.1
    steps: int = 200


@tw.script(
    "python train.py {overrides} seed={seed} hydra.run.dir={out}",
    metrics=[tw.Metric("accuracy", "Accuracy")],
    data=tw.Data("Clouds"),
    sources=["conf"],
    items_file="items.jsonl",
)
class Clouds(tw.Config):
    bias: bool = True
    standardise: str | None = None
    optimizer: Optimizer = Optimizer()


def make_study():
    parts = {"bias": {"bias": False}, "small steps": {"optimizer.lr": 1e-05}}
    rows = [tw.LeaveOneOut(parts), tw.Row("standardised", {"standardise": "by deviation"})]
    table = tw.Ablation("parts", "Parts", Clouds(), [tw.Dataset("Clouds")], rows)
    return tw.Study("clouds", "Two clouds", "ours", seeds=(0, 1, 2), ablations=[table])
