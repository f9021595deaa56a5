"""TASN's main comparisons (Tables 5 to 7, 9 and 10): its own rows trained, the other methods' rows as printed.

Paper: TASN (CVPR 2019): CUB-200-2011, Stanford Cars and iNaturalist-2017, top-1 accuracy.
Not here: rows with second-order pooling (iSQRT-COV, Table 7), which is another paper's method; iNaturalist by
super-class (Table 10), of which the total is.
Seeds: not stated in the paper; three of ours.
Cost: 8 trainings a seed.
"""

from __future__ import annotations

from typing import Any

from orchestrator.published import printed
from orchestrator.study import Ablation, Dataset, Profile, Row, Study, other_method_rows
from search_spaces.tasn_ablation import INPUT, MASTER, PLAIN, SEEDS, VGG19, base_config, data_set
from trainables.contract import TOP1

HIGH_RESOLUTION: dict[str, Any] = {INPUT: 336}  # the smallest with which Table 4 reaches the printed value


def make_study(profile: Profile) -> Study:
    """Declare a table for each of the paper's; the demo has the sampling comparison alone."""
    base, is_demo = base_config(profile), profile is Profile.DEMO

    def table(name: str, caption: str, source: str, datasets: list[Dataset], rows: list[Row]) -> Ablation:
        return Ablation(
            name, caption, base, datasets, rows, MASTER, [TOP1], stub_head="method", source=source
        )

    def own(table_id: str, label: str, changes: dict[str, Any], **more: Any) -> Row:
        return Row(label, changes, **more).as_printed(printed(table_id, label))

    birds = [data_set(profile)]
    sampling = [own("tasn_t5", "TASN", {})]
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
        three = [{INPUT: side} for side in (224, 280, 336)]

        def part_rows(table_id: str) -> list[Row]:
            return [
                *other_method_rows(table_id),
                own(table_id, "TASN (1x VGG-19)", VGG19),
                own(table_id, "TASN (3x VGG-19)", VGG19, ensemble=three),
                own(table_id, "TASN (1x ResNet-50)", HIGH_RESOLUTION),
            ]

        def total(column: str) -> Any:
            columns = {f"accuracy_{column}": ("iNaturalist-2017", "top1")}
            return printed("tasn_t10", "Total", columns=columns)

        inaturalist = Dataset(
            "iNaturalist-2017",
            {"data.dataset": "inat2017", "network.backbone.architecture": "resnet101"},
        )
        tables += [
            table("part_methods", "TASN beside methods of parts", "Table 6", birds, part_rows("tasn_t6")),
            table(
                "second_order",
                "TASN beside second-order pooling",
                "Table 7",
                birds,
                [*other_method_rows("tasn_t7"), own("tasn_t7", "TASN", HIGH_RESOLUTION)],
            ),
            table("cars", "TASN beside methods of parts", "Table 9", vehicles, part_rows("tasn_t9")),
            table(
                "inaturalist",
                "ResNet-101 at 224 px, all super-classes together",
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
