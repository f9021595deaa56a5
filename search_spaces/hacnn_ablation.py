"""Every ablation of HA-CNN (Tables 5 to 8), and sweeps of what the paper fixes.

Paper: HA-CNN (CVPR 2018), Market-1501 and DukeMTMC-reID, single query.
Wiring: the paper does not say how an attention is switched off. Without soft attentions their factor is 1;
without hard regional attention the regions stay the stripes that they start as. The other reading of the
latter, no local branch at all, has a table of its own.
Table 8: counted. The paper's 2.7 M parameters are ours without the three convolutions that fuse soft attention
(2,697,432); what its depth of 39 counts is not said, ours is the longest chain of layers.
Seeds: not stated in the paper; three of ours.
Cost: 7 trainings a data set and seed fill the paper's tables; the rows of Table 7 are views of one of them.
"""

from __future__ import annotations

from typing import Any

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row, Sweep
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.published import printed, published_table
from tablewright.orchestrator.declared.size_table import SizeRow, SizeTable
from tablewright.orchestrator.declared.study import Study
from tablewright.trainables.contract.size import DEPTH, FLOPS, INFERENCE_PARAMETERS
from tablewright.trainables.contract.view import Split
from tablewright.trainables.hacnn import HacnnConfig, code_recipe, demo_config, paper_config
from tablewright.trainables.retrieval.view import MAP, RANK1, RetrievalView

SPATIAL, CHANNEL, LOCAL = "network.soft_spatial", "network.soft_channel", "network.local"
LEARNS_REGIONS, INTERACTION = f"{LOCAL}.learns_regions", f"{LOCAL}.interaction"
NUM_REGIONS, REGION_HEIGHT = f"{LOCAL}.num_regions", f"{LOCAL}.region_height"
REDUCTION, WIDTHS = f"{CHANNEL}.reduction", "network.widths"
SEEDS = (0, 1, 2)

NO_SPATIAL: dict[str, Any] = {SPATIAL: False}
NO_CHANNEL: dict[str, Any] = {CHANNEL: None}
NO_HARD: dict[str, Any] = {LEARNS_REGIONS: False}
NO_LOCAL: dict[str, Any] = {LOCAL: None}


def view(*embeddings: str, split: Split = "test") -> RetrievalView:
    """Single query; embeddings come normalised a branch, and are ranked by Euclidean distance."""
    return RetrievalView(split=split, embeddings=embeddings, distance="euclidean")


def base_config(profile: Profile) -> HacnnConfig:
    """The full method at the profile's scale."""
    return demo_config() if Profile(profile).is_demo else paper_config("market1501")


def data_sets(profile: Profile) -> list[Dataset]:
    """The columns; the recipe is the same for both data sets of the paper."""
    if Profile(profile).is_demo:
        return [Dataset("Demo pedestrians")]
    return [Dataset("Market-1501"), Dataset("DukeMTMC-reID", {"data.dataset": "dukemtmc"})]


def recipe_changes(base: HacnnConfig) -> dict[str, Any]:
    """What turns the paper's recipe into that of the published code."""
    changed = code_recipe(base)
    return {
        "data.augmentation": changed.data.augmentation,
        "losses": changed.losses,
        "optimisation": changed.optimisation,
    }


def size_table(base: HacnnConfig, profile: Profile) -> SizeTable:
    """Count the paper's network, and that of the demo, beside what the paper printed of others."""
    table_id = "hacnn_t8"
    table = published_table(table_id)
    rows: list[SizeRow] = []
    for row in table.rows:
        values = dict(zip(table.columns, row.values, strict=True))
        flops, millions, depth = values["flops"], values["params_millions"], values["depth"]
        assert flops is not None
        assert millions is not None
        assert depth is not None
        published = {INFERENCE_PARAMETERS.name: millions, FLOPS.name: flops / 1e9, DEPTH.name: depth}
        config = paper_config("market1501") if row.is_own else None
        rows.append(SizeRow(row.row, config, published, (table_id, row.row)))
    if Profile(profile).is_demo:
        rows.append(SizeRow("HA-CNN at the demo's scale", base))
    return SizeTable("complexity", "Size and compute of HA-CNN and of other networks", rows, table.number)


def make_study(profile: Profile) -> Study:
    """Declare the tables; what the paper has no numbers of is left to the paper profile."""
    base, datasets, is_demo = base_config(profile), data_sets(profile), Profile(profile).is_demo

    def table(
        name: str, caption: str, rows: list[Any], stub_head: str, source: str = "", reference: str = ""
    ) -> Ablation:
        return Ablation(
            name,
            caption,
            base,
            datasets,
            rows,
            view("all"),
            [RANK1, MAP],
            stub_head=stub_head,
            source=source,
            reference=reference,
        )

    def row(number: int, label: str, changes: dict[str, Any], features: str = "all") -> Row:
        return Row(label, changes, view=view(features)).as_printed(printed(f"hacnn_t{number}", label))

    tables = [
        table(
            "attention_types",
            "Attention: soft spatial (SSA), soft channel (SCA), hard regional (HRA), and all of them",
            [
                row(5, "No attention", NO_SPATIAL | NO_CHANNEL | NO_HARD),
                row(5, "SSA", NO_CHANNEL | NO_HARD),
                row(5, "SCA", NO_SPATIAL | NO_HARD),
                row(5, "SSA+SCA", NO_HARD),
                row(5, "HRA", NO_SPATIAL | NO_CHANNEL),
                row(5, "All", {}),
            ],
            "attention",
            "Table 5",
        ),
        table(
            "interaction",
            "Cross-attention interaction learning (CAIL)",
            [row(6, "without CAIL", {INTERACTION: False}), row(6, "with CAIL", {})],
            "interaction",
            "Table 6",
        ),
        table(
            "feature_level",
            "Features of one trained network used at test",
            [row(7, "Global", {}, "global"), row(7, "Local", {}, "local"), row(7, "Global+Local", {})],
            "features",
            "Table 7",
        ),
    ]
    if not is_demo:
        tables += [
            table(
                "attention_types_global_branch",
                "Soft attention with no local branch, the other reading of no hard regional attention",
                [
                    Row("No attention", NO_SPATIAL | NO_CHANNEL | NO_LOCAL),
                    Row("SSA", NO_CHANNEL | NO_LOCAL),
                    Row("SCA", NO_SPATIAL | NO_LOCAL),
                    Row("SSA+SCA", NO_LOCAL),
                ],
                "attention",
                "Table 5, read otherwise",
                reference="SSA+SCA",
            ),
            table(
                "region_number",
                "Number of regions T, each a T-th of the map's height; the grid is ours but for 4",
                [
                    Row(f"{number}", {NUM_REGIONS: number, REGION_HEIGHT: 1 / number})
                    for number in (2, 4, 6, 8)
                ],
                "T",
            ),
            table(
                "region_height",
                "Height s_h of each of four regions; the grid is ours but for 0.25",
                [Sweep(REGION_HEIGHT, (0.2, 0.25, 0.35, 0.5))],
                "s_h",
            ),
            table(
                "reduction",
                "Reduction r within soft channel attention; the grid is ours but for 16",
                [Sweep(REDUCTION, (4, 8, 16, 32))],
                "r",
            ),
            table(
                "widths",
                "Channels of the three levels; the grid is ours but for 128, 256, 384",
                [
                    Row(", ".join(map(str, widths)), {WIDTHS: widths})
                    for widths in ((64, 128, 192), (128, 256, 384), (192, 384, 576))
                ],
                "widths",
            ),
            table(
                "recipe",
                "The paper's recipe and that of the published code, which crops, mirrors and smooths as well",
                [Row("Adam, 150 epochs"), Row("SGD, 300 epochs", recipe_changes(base))],
                "recipe",
            ),
            table(
                "loss_combination",
                "The losses of both branches averaged, as the published code does, or summed",
                [Row("mean"), Row("sum", {"losses.combination": "sum"})],
                "losses",
            ),
        ]
    title = "HA-CNN: all ablations" + (" on the demo data" if is_demo else "")
    return Study("hacnn_ablation", title, "HA-CNN", SEEDS, tables, sizes=[size_table(base, profile)])
