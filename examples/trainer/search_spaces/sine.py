"""What width is worth to a network that Lightning trains."""

import tablewright as tw


@tw.script(
    "python train.py {dashed_flags} --seed {seed} --root {out}",
    metrics=[tw.Metric("mse", "MSE", higher_is_better=False, digits=3, is_fraction=False)],
    data=tw.Data("Sine"),
    progress_file="progress.jsonl",
    num_epochs="max_epochs",
    resume="",
)
class Sine(tw.Config):
    learning_rate: float = 0.01
    width: int = 16
    max_epochs: int = 3


def make_study():
    rows = [tw.Sweep("width", (4, 16))]
    table = tw.Ablation("width", "Width", Sine(), [tw.Dataset("Sine")], rows)
    return tw.Study("sine", "A sine", "ours", seeds=(0, 1, 2), ablations=[table])
