"""Mancs's main results: its own row trained on every data set it was printed for, and the size of its network.

Paper: Mancs (ECCV 2018). Of its comparison tables only the own row could be read, in leaderboards and in papers that
quote it; so no other method's row stands here, and nothing printed beside CUHK03 in the 1367/100 protocol.
Single and multiple query are tables of their own, because one column holds one protocol.
CUHK03, 1367/100: the first of the 20 splits alone; the protocol's mean over all takes 20 trainings a cell.
Seeds: not stated in the paper; three of ours.
Cost: 6 trainings a seed; multiple query is a view of the one on Market-1501.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.changes import apply_changes
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.published import Query, printed, published_table
from tablewright.orchestrator.declared.size_table import SizeRow, SizeTable
from tablewright.orchestrator.declared.study import Study
from tablewright.search_spaces.mancs_ablation import NO_SUPERVISION, VIEW, WITHOUT, base_config, data_sets
from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.retrieval.view import MAP, RANK1, RANK5, RetrievalView

CUHK03_BATCH = {"data.num_identities": 32, "data.num_instances": 8}
DUKE = [Dataset("DukeMTMC-reID", {"data.dataset": "dukemtmc"})]


def cuhk03(prefix: str) -> list[Dataset]:
    """Both kinds of boxes of CUHK03 in one protocol."""
    return [
        Dataset(f"CUHK03 {boxes}", {"data.dataset": f"{prefix}_{boxes}", **CUHK03_BATCH})
        for boxes in ("labelled", "detected")
    ]


def make_study(profile: Profile) -> Study:
    """Declare a table a protocol; the demo has single and multiple query on its own data."""
    base, is_demo = base_config(profile), Profile(profile).is_demo
    single, multiple = VIEW, VIEW.model_copy(update={"query": "multiple"})

    def table(
        name: str,
        caption: str,
        table_id: str,
        datasets: Sequence[Dataset],
        view: Any = single,
        metrics: Sequence[Metric] = (RANK1, MAP),
        query: Query = "single",
    ) -> Ablation:
        own = Row("Mancs").as_printed(printed(table_id, "Mancs", query=query))
        return Ablation(
            name, caption, base, datasets, [own], view, metrics, "method", published_table(table_id).number
        )

    where = "the demo data" if is_demo else "Market-1501"
    tables = [
        table("single_query", f"Mancs on {where}, single query", "mancs_market", data_sets(profile)),
        table(
            "multiple_query",
            f"Mancs on {where}, multiple query",
            "mancs_market",
            data_sets(profile),
            multiple,
            query="multiple",
        ),
    ]
    if not is_demo:
        tables += [
            table("duke", "Mancs on DukeMTMC-reID", "mancs_duke", DUKE),
            table("cuhk03", "Mancs on CUHK03, 767/700", "mancs_cuhk03_np", cuhk03("cuhk03")),
            table(
                "cuhk03_classic",
                "Mancs on CUHK03, 1367/100, first split, one gallery image a person",
                "mancs_cuhk03_classic",
                cuhk03("cuhk03_classic"),
                RetrievalView.model_validate({**single.model_dump(), "gallery": "single_shot"}),
                (RANK1, RANK5),
            ),
        ]
    sizes = SizeTable(
        "sizes",
        "Size and compute of Mancs and of its parts",
        [
            SizeRow("Mancs", base),
            SizeRow("without deep supervision", apply_changes(base, NO_SUPERVISION)),
            SizeRow("without attention", apply_changes(base, WITHOUT["FAB"])),
        ],
    )
    title = "Mancs: main results" + (" on the demo data" if is_demo else "")
    return Study("mancs_main", title, "Mancs", (0, 1, 2), tables, sizes=[sizes])
