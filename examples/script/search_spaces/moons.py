"""What width is worth to `train.py`, in which nothing was changed."""

import tablewright as tw


@tw.script(
    "python train.py {flags} --seed {seed} --out {out}",
    metrics=[tw.Metric("accuracy", "Accuracy")],
    data=tw.Data("Moons"),
    progress_file="progress.jsonl",
    resume="--resume {out}/last.pt",
)
class Moons(tw.Config):
    width: int = 16
    no_noise: bool = False


def make_study():
    table = tw.Ablation("width", "Width", Moons(), [tw.Dataset("Moons")], [tw.Sweep("width", (4, 16))])
    return tw.Study("moons", "Two moons", "ours", seeds=(0, 1, 2), ablations=[table])
