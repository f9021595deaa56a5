"""Every ablation of Mancs, each as a table of its own.

Paper: Mancs (ECCV 2018) names four components: random erasing (RE), curriculum sampling (CS), fully attentional
blocks (FAB, with deep supervision) and focal loss (FL). Neither the cells nor the exact rows of its table could
be read, so every published cell is blank; grids of the sweeps are ours, around the published values.
Baseline: ranking with batch-hard triplets and plain cross-entropy, without the four.
Seeds: not stated in the paper; three of ours.
Cost: see `--plan`; a factor's published value is the full method, trained once for all tables.
"""

from __future__ import annotations

from typing import Any

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Cumulative, LeaveOneOut, Row, Sweep
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.published import printed
from tablewright.orchestrator.declared.study import Study
from tablewright.trainables.mancs import MancsConfig, demo_config, paper_config
from tablewright.trainables.retrieval.view import MAP, RANK1, RetrievalView

CURRICULUM = "losses.rank.curriculum"
GAMMA = "losses.classification.gamma"
PROBABILITY = "losses.classification.probability"
ERASING = "data.augmentation.erasing"
WEIGHTS = {name: f"losses.{name}.weight" for name in ("rank", "classification", "attention")}

WITHOUT: dict[str, dict[str, Any]] = {
    "CS": {CURRICULUM: None},
    "FAB": {"network.attention": None, "losses.attention": None},
    "FL": {GAMMA: 0.0},
    "RE": {ERASING: None},
}
BASELINE: dict[str, Any] = {path: value for changes in WITHOUT.values() for path, value in changes.items()}

RANK_ONLY: dict[str, Any] = {"losses.classification": None}
CLASSIFICATION_ONLY: dict[str, Any] = {"losses.rank": None}
NO_SUPERVISION: dict[str, Any] = {"losses.attention": None}

VIEW = RetrievalView(split="test", embeddings=("rank",), distance="euclidean")
"""Single query; neither flip averaging nor re-ranking is stated in the paper."""


def base_config(profile: Profile) -> MancsConfig:
    """The full method at the profile's scale."""
    return demo_config() if Profile(profile).is_demo else paper_config("market1501")


def data_sets(profile: Profile) -> list[Dataset]:
    """The one column; which data set the paper's own table is on could not be read."""
    return [Dataset("Demo pedestrians" if Profile(profile).is_demo else "Market-1501")]


def components(base: MancsConfig) -> dict[str, dict[str, Any]]:
    """Component's name -> the changes that add it to the baseline."""
    assert base.losses.rank is not None
    assert base.losses.classification is not None
    return {
        "CS": {CURRICULUM: base.losses.rank.curriculum},
        "FAB": {"network.attention": base.network.attention, "losses.attention": base.losses.attention},
        "FL": {GAMMA: base.losses.classification.gamma},
        "RE": {ERASING: base.data.augmentation.erasing},
    }


def weight_rows(name: str, values: tuple[float, ...], off: dict[str, Any]) -> list[Row | Sweep]:
    """A loss switched off, then a row for each of its weights."""
    return [Row("0", off), Sweep(WEIGHTS[name], values, label="{value:g}")]


def make_study(profile: Profile) -> Study:
    """Declare the tables; the demo profile has fewer levels of each sweep."""
    base, datasets = base_config(profile), data_sets(profile)
    is_demo = Profile(profile).is_demo

    def table(name: str, caption: str, rows: list[Any], stub_head: str = "", source: str = "") -> Ablation:
        return Ablation(
            name, caption, base, datasets, rows, VIEW, [MAP, RANK1], stub_head=stub_head, source=source
        )

    tables = [
        table(
            "cumulative",
            "Components added one after the other: curriculum sampling (CS), fully attentional blocks with deep "
            "supervision (FAB), focal loss (FL), random erasing (RE)",
            [Cumulative(BASELINE, "baseline", components(base))],
            "components",
        ),
        table(
            "leave_one_out",
            "The full method without each of its components",
            [LeaveOneOut(WITHOUT, full_label="Mancs")],
            "components",
        ),
        table(
            "sampling",
            "How the negatives of a triplet are chosen",
            [Row("batch-hard", WITHOUT["CS"]), Row("curriculum")],
            "sampling",
        ),
        table(
            "attention",
            "Attention on the maps of stages 2 to 4",
            [
                Row("none", WITHOUT["FAB"]),
                Row("squeeze-and-excitation", {"network.attention.mask": "channel"}),
                Row("FAB without deep supervision", NO_SUPERVISION),
                Row("FAB"),
            ],
            "attention",
        ),
        table(
            "focal_loss",
            "Focus γ of the classification loss, and what its probability is made by",
            [
                Row("softmax, γ = 0", WITHOUT["FL"]),
                *(
                    Row(f"softmax, γ = {gamma:g}", {GAMMA: gamma})
                    for gamma in ((2.0,) if is_demo else (1.0, 2.0, 5.0))
                ),
                *(
                    Row(f"{label}, γ = 2", {PROBABILITY: probability})
                    for label, probability in (
                        ("sigmoid of every identity", "sigmoid_full"),
                        ("sigmoid of the true identity", "sigmoid_literal"),
                    )
                    if not is_demo
                ),
            ],
            "classification loss",
        ),
        table(
            "random_erasing", "Random erasing", [Row("without", WITHOUT["RE"]), Row("with")], "random erasing"
        ),
        table(
            "branches",
            "Losses of the two branches; each of them keeps the attention branch",
            [
                Row("ranking only", RANK_ONLY),
                Row("classification only", CLASSIFICATION_ONLY),
                Row("ranking and classification"),
            ],
            "losses",
        ),
        table(
            "rank_weight",
            "Weight of the ranking loss",
            weight_rows("rank", (1.0,) if is_demo else (0.5, 1.0, 2.0), CLASSIFICATION_ONLY),
            "λ rank",
        ),
        table(
            "classification_weight",
            "Weight of the classification loss",
            weight_rows("classification", (1.0,) if is_demo else (0.5, 1.0, 2.0), RANK_ONLY),
            "λ classification",
        ),
        table(
            "attention_weight",
            "Weight of the attention loss",
            weight_rows("attention", (0.2,) if is_demo else (0.1, 0.2, 0.5, 1.0), NO_SUPERVISION),
            "λ attention",
        ),
        table(
            "curriculum_t0",
            "Epoch t0 from which negatives are drawn around the hardest",
            [Sweep(f"{CURRICULUM}.t0", (3.0, 6.0) if is_demo else (10.0, 30.0, 50.0), label="{value:g}")],
            "t0",
        ),
        table(
            "curriculum_t1",
            "Epoch t1 by which the draw of negatives has narrowed",
            [Sweep(f"{CURRICULUM}.t1", (9.0, 27.0) if is_demo else (40.0, 60.0, 90.0), label="{value:g}")],
            "t1",
        ),
        table(
            "curriculum_a",
            "Initial deviation a of the draw, in ranks of hardness",
            [Sweep(f"{CURRICULUM}.a", (3.75, 15.0) if is_demo else (5.0, 15.0, 30.0), label="{value:g}")],
            "a",
        ),
        table(
            "curriculum_b",
            "Factor b by which the deviation falls between t0 and t1",
            [Sweep(f"{CURRICULUM}.b", (1e-3, 0.5) if is_demo else (1e-3, 1e-2, 1e-1), label="{value:g}")],
            "b",
        ),
    ]
    if not is_demo:
        tables += [
            table(
                "single_components",
                "Each component alone on the baseline",
                [
                    Row("baseline", BASELINE).as_printed(printed("mancs_ablation", "Baseline (cls + rank)")),
                    *(
                        Row(f"+ {name}", BASELINE | added).as_printed(printed("mancs_ablation", f"+{name}"))
                        for name, added in components(base).items()
                    ),
                    Row("Mancs").as_printed(printed("mancs_ablation", "Mancs (all on)")),
                ],
                "components",
                "ablation table; its rows could not be read",
            ),
            table(
                "margin",
                "Margin of the ranking loss",
                [Sweep("losses.rank.margin", (0.3, 0.5, 1.2), label="{value:g}")],
                "m",
            ),
            table(
                "reduction",
                "Reduction r within FAB",
                [Sweep("network.attention.reduction", (8, 16, 32))],
                "r",
            ),
        ]
    title = "Mancs: all ablations" + (" on the demo data" if is_demo else "")
    why = "the paper, too, takes its method apart on Market-1501 alone"
    return Study("mancs_ablation", title, "Mancs", (0, 1, 2), tables, accepts={"one_dataset": why})
