"""TASN's main comparisons (Tables 5 to 7, 9 and 10): its own rows trained, the other methods' rows as printed.

Paper: TASN (CVPR 2019): CUB-200-2011, Stanford Cars and iNaturalist-2017, top-1 accuracy.
Not here: rows with second-order pooling (iSQRT-COV, Table 7), which is another paper's method; iNaturalist by
super-class (Table 10), of which the total is.
Our reading, as no source states them: the sides of the sampled images in Tables 6, 7 and 9, which stand in the rows'
labels, and that the members of an ensemble differ in their side. Table 6 is about "high-resolution input": 336 px is
the smallest side with which Table 4 reaches its ResNet-50's value, and its VGG-19 has the same. Table 9 repeats the
VGG-19's values of Table 8, so it repeats its trainings, at 224 px; its ResNet-50 is Table 6's.
Rate and length of a training are published for CUB-200-2011 alone, and the captions of the other two say so. On
iNaturalist-2017's 579,184 images its 300 epochs are 1.8 million steps of 96: set `optimisation` for a budget of yours.
Seeds: not stated in the paper; three of ours.
Cost: 11 trainings a seed, five of them also of `tasn_ablation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import Dataset
from tablewright.orchestrator.declared.design import Row, other_method_rows
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.published import printed
from tablewright.orchestrator.declared.study import Study
from tablewright.search_spaces.tasn_ablation import (
    BIRDS_SCHEDULE,
    INPUT,
    MASTER,
    PLAIN,
    SEEDS,
    VGG19,
    base_config,
    data_set,
)
from tablewright.trainables.classification.view import TOP1

HIGH_PX = 336
HIGH_MEMBERS_PX = (HIGH_PX, 280, 392)  # Table 4's sides above the default
MEMBERS_PX = (224, 280, 336)  # Table 8's, see `tasn_ablation`


def make_study(profile: Profile) -> Study:
    """Declare a table for each of the paper's; the demo has the sampling comparison alone."""
    base, is_demo = base_config(profile), Profile(profile).is_demo

    def table(name: str, caption: str, source: str, datasets: list[Dataset], rows: list[Row]) -> Ablation:
        return Ablation(
            name, caption, base, datasets, rows, MASTER, [TOP1], stub_head="method", source=source
        )

    def own(table_id: str, label: str, sides_px: Sequence[int], changes: Mapping[str, Any]) -> Row:
        """Give a row of ours at one side of the sampled images, or the ensemble of several."""
        ensemble = [{INPUT: side} for side in sides_px] if len(sides_px) > 1 else ()
        at_side = {} if ensemble else {INPUT: sides_px[0]}
        row = Row(f"{label}, {', '.join(map(str, sides_px))} px", {**changes, **at_side}, ensemble=ensemble)
        return row.as_printed(printed(table_id, label))

    birds = [data_set(profile)]
    sampling = [Row("TASN").as_printed(printed("tasn_t5", "TASN"))]
    tables = [
        table(
            "sampling_methods",
            "TASN beside methods that sample the image",
            "Table 5",
            birds,
            sampling if is_demo else [*other_method_rows("tasn_t5"), *sampling],
        )
    ]
    if not is_demo:
        vehicles = [Dataset("Stanford Cars", {"data.dataset": "cars196"})]

        def part_rows(table_id: str, vgg_px: Sequence[int]) -> list[Row]:
            return [
                *other_method_rows(table_id),
                own(table_id, "TASN (1x VGG-19)", vgg_px[:1], VGG19),
                own(table_id, "TASN (3x VGG-19)", vgg_px, VGG19),
                own(table_id, "TASN (1x ResNet-50)", [HIGH_PX], {}),
            ]

        def total(column: str) -> Any:
            columns = {f"accuracy_{column}": ("iNaturalist-2017", "top1")}
            return printed("tasn_t10", "Total", columns=columns)

        inaturalist = Dataset(
            "iNaturalist-2017",
            {"data.dataset": "inat2017", "network.backbone.architecture": "resnet101"},
        )
        tables += [
            table(
                "part_methods",
                "TASN beside methods of parts, at high resolution",
                "Table 6",
                birds,
                part_rows("tasn_t6", HIGH_MEMBERS_PX),
            ),
            table(
                "second_order",
                "TASN beside second-order pooling",
                "Table 7",
                birds,
                [*other_method_rows("tasn_t7"), own("tasn_t7", "TASN", [HIGH_PX], {})],
            ),
            table(
                "cars",
                f"TASN beside methods of parts, {BIRDS_SCHEDULE}",
                "Table 9",
                vehicles,
                part_rows("tasn_t9", MEMBERS_PX),
            ),
            table(
                "inaturalist",
                f"ResNet-101 at 224 px, all super-classes together, {BIRDS_SCHEDULE}",
                "Table 10",
                [inaturalist],
                [
                    Row("ResNet-101", PLAIN).as_printed(total("resnet")),
                    Row("SSN", is_trained=False).as_printed(total("ssn")),
                    Row("TASN").as_printed(total("tasn")),
                ],
            ),
        ]
    title = "TASN: main comparison" + (" on the demo data" if is_demo else "")
    return Study("tasn_main", title, "TASN", SEEDS, tables)
