"""Every ablation of MGN: the component table of the paper, and factors it leaves fixed as tables of ours.

Paper: MGN (ACM MM 2018), Table 2 of arXiv v1: networks trained alone ("Single"), branches of the one full
network ("Branch", which are views of it), and the triplet loss (TP).
Not stated: the recipe of the plain ResNet rows, which is MGN's here; whether single networks have triplets,
which they have here. "G+P2+P3 (Single)" joins the embeddings of three trainings.
Demo: a MobileNetV2 stands for the ResNet-50 rows; nothing stands for ResNet-101.
Seeds: not stated in the paper; three of ours.
Cost: see `--plan`; in the demo 10 trainings a seed fill all tables.
"""

from __future__ import annotations

from typing import Any

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.changes import apply_changes
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row, Sweep
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.published import printed
from tablewright.orchestrator.declared.size_table import SizeRow, SizeTable
from tablewright.orchestrator.declared.study import Study
from tablewright.trainables.layers.backbone import Backbone
from tablewright.trainables.mgn import (
    BaselineNetworkConfig,
    Branch,
    MgnConfig,
    MgnNetworkConfig,
    demo_config,
    paper_config,
)
from tablewright.trainables.retrieval.view import MAP, RANK1, RANK5, RANK10, RetrievalView

SEEDS = (0, 1, 2)

MARGIN = "losses.triplet.margin"
REDUCTION_SIZE = "network.reduction_size"
POOLING = "network.pooling"
COMBINATION = "losses.combination"

NO_TRIPLET: dict[str, Any] = {"losses.triplet": None}
REDUCED_WHOLES: dict[str, Any] = {"losses.softmax.of_wholes": "reduced"}
BRANCH_FIELDS = {"G": "network.global_branch", "P2": "network.part2", "P3": "network.part3"}


def view(*embeddings: str) -> RetrievalView:
    """Single query, Euclidean, image and mirror image averaged, no re-ranking (the code's test settings)."""
    return RetrievalView(split="test", embeddings=embeddings, distance="euclidean", flip=True)


def base_config(profile: Profile) -> MgnConfig:
    """The full method at the profile's scale."""
    return demo_config() if Profile(profile).is_demo else paper_config("market1501")


def data_sets(profile: Profile) -> list[Dataset]:
    """The one column of the paper's table."""
    return [Dataset("Demo pedestrians" if Profile(profile).is_demo else "Market-1501")]


def only(*branches: str) -> dict[str, Any]:
    """Switch off all branches of the full network but these."""
    return {path: None for name, path in BRANCH_FIELDS.items() if name not in branches}


def baseline(backbone: Backbone, architecture: str | None = None) -> dict[str, Any]:
    """Put a plain backbone with stride 2, of the same or another architecture, in the place of MGN."""
    changed = {"last_stride": 2, "architecture": architecture or backbone.architecture}
    return {"network": BaselineNetworkConfig(backbone=backbone.model_copy(update=changed))}


def component_rows(base: MgnConfig, profile: Profile) -> list[Row]:
    """The eleven rows of the paper's Table 2; ten in the demo."""
    assert isinstance(base.network, MgnNetworkConfig)
    plain = baseline(base.network.backbone)
    is_demo = Profile(profile).is_demo
    name = "MobileNetV2" if is_demo else "ResNet-50"
    rows = [Row(name, plain | NO_TRIPLET)]
    if not is_demo:
        rows.append(Row("ResNet-101", baseline(base.network.backbone, "resnet101") | NO_TRIPLET))
    rows += [
        Row(f"{name}+TP", plain),
        Row("Global (Branch)", view=view("global")),
        Row("Part-2 (Single)", only("P2")),
        Row("Part-2 (Branch)", view=view("part2")),
        Row("Part-3 (Single)", only("P3")),
        Row("Part-3 (Branch)", view=view("part3")),
        Row("G+P2+P3 (Single)", ensemble=(only("G"), only("P2"), only("P3"))),
        Row("MGN w/o TP", NO_TRIPLET),
        Row("MGN"),
    ]
    return rows if is_demo else [row.as_printed(printed("mgn_v1_t2", row.label)) for row in rows]


def size_table(base: MgnConfig, profile: Profile) -> SizeTable:
    """Count the plain and the single networks beside the full one; the paper prints no sizes."""
    singles = {f"{name} (Single)": only(name) for name in BRANCH_FIELDS}
    plain = {
        row.label: row.changes
        for row in component_rows(base, profile)
        if "network" in row.changes and not row.label.endswith("+TP")  # triplets add nothing to a network
    }
    rows = [
        SizeRow(label, apply_changes(base, changes))
        for label, changes in (plain | singles | {"MGN": {}}).items()
    ]
    return SizeTable("sizes", "Parameters and compute of MGN, its single networks and the plain ones", rows)


def make_study(profile: Profile) -> Study:
    """Declare the tables; the demo profile has fewer of ours, with fewer levels."""
    base, datasets = base_config(profile), data_sets(profile)
    is_demo = Profile(profile).is_demo
    size = base.network.reduction_size if isinstance(base.network, MgnNetworkConfig) else 0

    def table(name: str, caption: str, rows: list[Any], stub_head: str = "") -> Ablation:
        return Ablation(
            name,
            f"{caption}; our addition, not in the paper",
            base,
            datasets,
            rows,
            view("all"),
            [RANK1, MAP],
            stub_head=stub_head,
        )

    whole_names = tuple(name for name in base.embedding_widths() if name.endswith("_whole"))
    stripe_names = tuple(name for name in base.embedding_widths() if name not in whole_names)
    tables = [
        Ablation(
            "components",
            "MGN against plain networks, single networks, their ensemble and its own branches; TP is the triplet loss",
            base,
            datasets,
            component_rows(base, profile),
            view("all"),
            [RANK1, RANK5, RANK10, MAP],
            stub_head="model",
            source="Table 2 of arXiv v1",
        ),
        table(
            "granularities",
            "Branches that are trained together: G is the global one, Pn has n stripes",
            [
                *(Row(name, only(name)) for name in BRANCH_FIELDS),
                *(
                    Row("+".join(names), only(*names))
                    for names in (("G", "P2"), ("G", "P3"), ("P2", "P3"))
                    if not is_demo
                ),
                Row("G+P2+P3"),
                *(
                    Row(label, {"network.part4": Branch()} | changes)
                    for label, changes in (("G+P2+P4", only("G", "P2")), ("G+P2+P3+P4", {}))
                    if not is_demo
                ),
            ],
            "branches",
        ),
        table(
            "features_at_test",
            "Features of the full network used at test",
            [
                Row("wholes", view=view(*whole_names)),
                Row("stripes", view=view(*stripe_names)),
                Row("all"),
            ],
            "features",
        ),
        table(
            "margin",
            "Margin of the triplet loss",
            [Sweep(MARGIN, (0.3, 1.2) if is_demo else (0.3, 0.6, 1.2, 2.4), label="{value:g}")],
            "margin",
        ),
        table(
            "reduction",
            "Width of each of the eight embeddings",
            [Sweep(REDUCTION_SIZE, (size // 2, size) if is_demo else (size // 2, size, size * 2))],
            "width",
        ),
        table(
            "pooling",
            "Pooling of wholes and stripes",
            [Sweep(POOLING, ("max", "avg") if is_demo else ("max", "avg", "gem"))],
            "pooling",
        ),
    ]
    if not is_demo:
        tables += [
            table(
                "stripe_triplets",
                "What has triplets besides the whole maps",
                [
                    Row("nothing"),
                    Row("each stripe", {"losses.triplet.of_stripes": "each"}),
                    Row("stripes of a branch joined", {"losses.triplet.of_stripes": "joined"}),
                ],
                "triplets on",
            ),
            table(
                "softmax_of_wholes",
                "Whether whole maps are classified by their pooled channels or by their reduction",
                [
                    Row("pooled", group="with TP"),
                    Row("reduced", REDUCED_WHOLES, group="with TP"),
                    Row("pooled", NO_TRIPLET, group="without TP"),
                    Row("reduced", REDUCED_WHOLES | NO_TRIPLET, group="without TP"),
                ],
                "softmax on",
            ),
            table(
                "loss_weighting",
                "How the terms are combined; each reading with the weights of its re-implementation",
                [
                    Row("mean of all terms"),
                    Row(
                        "mean of triplets + 2 · mean of softmax",
                        {COMBINATION: "mean_by_kind", "losses.softmax.weight": 2.0},
                    ),
                    Row(
                        "0.125 · softmax + 0.2 · triplet, summed",
                        {
                            COMBINATION: "sum",
                            "losses.softmax.weight": 0.125,
                            "losses.triplet.weight": 0.2,
                        },
                    ),
                    Row("sum of all terms", {COMBINATION: "sum"}),
                ],
                "loss",
            ),
        ]
    title = "MGN: all ablations" + (" on the demo data" if is_demo else "")
    why = "the paper, too, takes its method apart on Market-1501 alone"
    sizes = [size_table(base, profile)]
    return Study("mgn_ablation", title, "MGN", SEEDS, tables, sizes=sizes, accepts={"one_dataset": why})
