"""MDPR's main comparisons (Tables II to IV): its own row trained, the other methods' rows as printed.

Paper: MDPR, SynergyReID, Market-1501 and DukeMTMC-reID, single query. Only its own rows could be read; other
methods appear here as soon as `published.yaml` has a value of theirs.
Seeds: 3407 is the code's; the others are our addition.
Cost: 3 trainings a seed, of which `mdpr_ablation` shares two.
"""

from __future__ import annotations

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.changes import apply_changes
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row, other_method_rows
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.published import printed, published_table
from tablewright.orchestrator.declared.size_table import SizeRow, SizeTable
from tablewright.orchestrator.declared.study import Study
from tablewright.search_spaces.mdpr_ablation import (
    HARD_ALONE,
    NUM_ATTENTIONS,
    SEEDS,
    SOFT_ALONE,
    base_config,
    data_sets,
    view,
)
from tablewright.trainables.mdpr import MdprConfig, paper_config
from tablewright.trainables.retrieval.view import MAP, RANK1


def make_study(profile: Profile) -> Study:
    """Declare a table a data set; the demo has its own row alone, on its own data."""
    base, is_demo = base_config(profile), Profile(profile).is_demo

    def table(name: str, table_id: str, dataset: Dataset, config: MdprConfig = base) -> Ablation:
        others = [row for row in other_method_rows(table_id) if row.published]
        own = Row("MDPR").as_printed(printed(table_id, "MDPR"))
        return Ablation(
            name,
            f"MDPR {'beside other methods ' if others else ''}on {dataset.label}",
            config,
            [dataset],
            [own] if is_demo else [*others, own],
            view("all"),
            [MAP, RANK1],
            stub_head="method",
            source=published_table(table_id).number,
        )

    if is_demo:
        tables = [table("demo", "mdpr_t3", *data_sets(profile))]
    else:
        market, duke = data_sets(profile)
        tables = [
            table("synergy", "mdpr_t2", Dataset("SynergyReID"), paper_config("synergyreid")),
            table("market", "mdpr_t3", market),
            table("duke", "mdpr_t4", duke),
        ]
    sizes = SizeTable(
        "sizes",
        "Size and compute of MDPR and of its parts",
        [
            SizeRow("MDPR", base),
            SizeRow("4 attention maps a stage", apply_changes(base, {NUM_ATTENTIONS: 4})),
            SizeRow("without fusion", apply_changes(base, {"network.fusion": False})),
            SizeRow("hard content alone", apply_changes(base, HARD_ALONE)),
            SizeRow("soft content alone", apply_changes(base, SOFT_ALONE)),
        ],
    )
    title = "MDPR: main comparison" + (" on the demo data" if is_demo else "")
    return Study("mdpr_main", title, "MDPR", SEEDS, tables, sizes=[sizes])
