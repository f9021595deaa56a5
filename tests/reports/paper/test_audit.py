"""What an audit finds in tables, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import model_validator

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.design import Cumulative, Factorial, LeaveOneOut, Row, Sweep
from tablewright.orchestrator.declared.study import Study, UntilDecided
from tablewright.orchestrator.plans.plan import Plan, make_plan
from tablewright.orchestrator.plans.resolution import DataResolver
from tablewright.orchestrator.store.store import Store
from tablewright.reports.documents.document_markdown import document_to_markdown
from tablewright.reports.paper.audit import Finding, audit
from tablewright.reports.paper.audit_page import audit_document, audit_line
from tablewright.reports.table_files import write_tables
from tablewright.trainables.value.refusal import Refusal
from tests.reports.tiny_study import (
    DUKE,
    MARKET,
    TinyConfig,
    depth_row,
    describe,
    make_ablation,
    make_study,
    record_value,
    seeds_of,
)


class Switches(TinyConfig):
    """Three components, of which a head can only be there with its neck."""

    METHOD: ClassVar[str] = "switches"

    attention: bool = True
    mixing: float = 0.2
    neck: bool = True
    head: bool = True

    @model_validator(mode="after")
    def _head_needs_neck(self) -> Switches:
        if self.head and not self.neck:
            raise ValueError("a head needs its neck")
        return self


def findings(
    study: Study, folder: Path, values: dict[str, dict[str, Any]] | None = None
) -> tuple[Plan, Sequence[Finding]]:
    plan, store = make_plan([study], DataResolver(describe)), Store(str(folder))
    for row, of_row in (values or {}).items():
        record_value(store, plan, row, of_row)
    written = write_tables(plan, store, writes=False)
    assert () == written.refusals
    tables = [item.table for item in written.tables]
    return plan, tuple(one for study in plan.studies for one in audit(plan, study, tables))


def of_kind(found: Sequence[Finding], gap: str) -> list[str]:
    return [text for one in found if one.gap == gap for text in one.texts]


def switches(rows: Sequence[Any], **declared: Any) -> Ablation:
    return make_ablation(rows, base=Switches(), **declared)


def test_rows_that_nothing_is_compared_with_are_named(tmp_path: Path):
    """A table without a reference is found, and so is a single row that takes no part; a named reference closes it."""
    rows = [depth_row(3), depth_row(4)]
    _, found = findings(make_study(make_ablation(rows)), tmp_path / "a")
    (text,) = of_kind(found, "no_reference")
    assert "none of its 2 rows" in text
    _, found = findings(make_study(make_ablation(rows, reference="depth 3")), tmp_path / "b")
    assert [] == of_kind(found, "no_reference")
    waits = Row("waits", waits_for="its weights")
    _, found = findings(make_study(make_ablation([depth_row(2), depth_row(3), waits])), tmp_path / "c")
    assert [] == of_kind(found, "no_reference")


def test_several_independent_changes_at_once_are_named(tmp_path: Path):
    """Two changes that a label does not name are found; forced ones, named ones and single ones are not."""
    rows = [
        Row("full"),
        Row("plain", {"attention": False, "mixing": 0.0}),
        Row("no neck", {"neck": False, "head": False}),
        Row("no attention, no mixing", {"attention": False, "mixing": 0.0, "depth": 2}),
        Row("deep", {"depth": 4}),
    ]
    rows[3] = replace(rows[3], repeats="plain")
    _, found = findings(make_study(switches(rows)), tmp_path)
    assert ["“plain” and “full” differ at once in attention, mixing"] == of_kind(found, "several_factors")


def test_a_component_that_brings_another_change_with_it_is_named(tmp_path: Path):
    """A component left out, a step and a level of a factor that also set another field are found."""
    more = {"attention": False, "depth": 7}
    steps = Cumulative(more, "plain", {"attention": {"attention": True, "depth": 2}})
    factors = Factorial({"attention": {"on": {}, "off": more}, "mixing": {"on": {}, "off": {"mixing": 0.0}}})
    for number, design in enumerate((LeaveOneOut({"attention": more}), steps, factors)):
        _, found = findings(make_study(switches([design])), tmp_path / str(number))
        (text,) = of_kind(found, "several_factors")
        assert text.endswith("differ at once in depth, attention")


def test_a_sweep_whose_rows_differ_in_other_fields_is_named(tmp_path: Path):
    """A swept row that is compared with a row of another config differs in more than the swept factor."""
    rows = [Sweep("width", (16, 32)), Row("shallow", {"depth": 1})]
    _, found = findings(make_study(make_ablation(rows, reference="shallow")), tmp_path)
    assert [f"“{width}” and “shallow” differ at once in depth, width" for width in (16, 32)] == of_kind(
        found, "several_factors"
    )


def test_components_that_are_never_taken_out_alone_are_named(tmp_path: Path):
    """A cumulative table leaves open what an early step is worth at the end; leaving each out closes that."""
    steps = Cumulative(
        {"attention": False, "mixing": 0.0, "depth": 1},
        "plain",
        {"attention": {"attention": True}, "mixing": {"mixing": 0.2}, "depth": {"depth": 2}},
    )
    _, found = findings(make_study(switches([steps])), tmp_path / "a")
    (text,) = of_kind(found, "never_removed_alone")
    assert "“attention”, “mixing”" in text
    assert "“depth”" not in text.partition(", added")[0]
    without = LeaveOneOut({"attention": {"attention": False}, "mixing": {"mixing": 0.0}})
    other = switches([without], name="without")
    _, found = findings(make_study(switches([steps]), other), tmp_path / "b")
    assert [] == of_kind(found, "never_removed_alone")
    factors = Factorial(
        {"attention": {"off": {"attention": False}, "on": {}}, "mix": {"off": {"mixing": 0.0}, "on": {}}}
    )
    _, found = findings(make_study(switches([factors])), tmp_path / "c")
    assert [] == of_kind(found, "never_removed_alone")


@pytest.mark.slow
def test_a_factor_swept_on_one_of_several_data_sets_is_named(tmp_path: Path):
    """A sweep on one data set is found where the study has others, and not where another table sweeps it there."""
    sweep, rows = Sweep("width", (8, 16)), [depth_row(2), depth_row(3)]
    wide = make_ablation(rows, name="wide", datasets=[MARKET, DUKE])
    _, found = findings(make_study(make_ablation([sweep]), wide), tmp_path / "a")
    assert ["width is swept on Market-1501 alone (depth), not on DukeMTMC-reID"] == of_kind(
        found, "one_dataset"
    )
    there = make_ablation([sweep], name="there", datasets=[DUKE])
    _, found = findings(make_study(make_ablation([sweep]), wide, there), tmp_path / "b")
    assert [] == of_kind(found, "one_dataset")
    _, found = findings(make_study(make_ablation(rows)), tmp_path / "c")
    assert ["every table is of Market-1501 alone"] == of_kind(found, "one_dataset")


def test_rows_with_fewer_seeds_are_named(tmp_path: Path):
    """A row that lacks a seed is named with how many it has; where seeds are added by need none is."""
    rows = [depth_row(2), depth_row(3)]
    values = {
        "depth 2": {"Market-1501": seeds_of([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])},
        "depth 3": {"Market-1501": seeds_of([0.1, 0.2], [0.1, 0.2])},
    }
    _, found = findings(make_study(make_ablation(rows)), tmp_path / "a", values)
    assert ["Market-1501: fewer seeds than planned, or than other rows have: “depth 3” 2 of 3"] == of_kind(
        found, "fewer_seeds"
    )
    values["depth 3"] = {"Market-1501": seeds_of([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])}
    study = replace(make_study(make_ablation(rows)), seeds=UntilDecided(3, 5))
    _, found = findings(study, tmp_path / "b", values)
    assert [] == of_kind(found, "fewer_seeds")


@pytest.mark.parametrize(("seeds", "is_named"), [((0,), True), ((0, 1), True), ((0, 1, 2), False)])
def test_too_few_seeds_to_compare_are_named(tmp_path: Path, seeds: Sequence[int], is_named: bool):
    """Fewer than three seeds are found, once for the whole study."""
    study = make_study(make_ablation([depth_row(2), depth_row(3)]), seeds=seeds)
    _, found = findings(study, tmp_path)
    assert is_named == bool(of_kind(found, "few_seeds"))


@pytest.mark.parametrize(
    ("values", "best", "named"),
    [
        ((8, 16, 32), 32, "width is best in mAP at 32, the highest of 8, 16, 32 (Market-1501)"),
        ((8, 16, 32), 8, "width is best in mAP at 8, the lowest of 8, 16, 32 (Market-1501)"),
        ((8, 16, 32), 16, None),
        ((0, 16, 32), 0, None),
        ((8, 16), 16, None),
    ],
)
def test_a_best_value_at_an_end_is_named(tmp_path: Path, values: Sequence[int], best: int, named: str | None):
    """The best of three swept numbers or more at an end is found; in the middle, or at zero, it is not."""
    means = {str(v): 0.8 if v == best else 0.5 for v in values}
    recorded = {row: {"Market-1501": seeds_of([mean] * 3, [mean] * 3)} for row, mean in means.items()}
    _, found = findings(make_study(make_ablation([Sweep("width", values)])), tmp_path, recorded)
    assert ([] if named is None else [named]) == of_kind(found, "best_at_end")


def test_single_rows_that_sweep_a_field_are_a_sweep(tmp_path: Path):
    """Rows that each set one field to another number are judged as a sweep, the base among them."""
    rows = [Row("narrow", {"width": 4}), Row("declared"), Row("wide", {"width": 16})]
    recorded = {
        row: {"Market-1501": seeds_of([mean] * 3, [mean] * 3)}
        for row, mean in (("narrow", 0.5), ("declared", 0.6), ("wide", 0.7))
    }
    wide = make_ablation([depth_row(2), depth_row(3)], name="other", datasets=[DUKE])
    _, found = findings(make_study(make_ablation(rows), wide), tmp_path, recorded)
    assert ["width is best in mAP at 16, the highest of 8, 4, 16 (Market-1501)"] == of_kind(
        found, "best_at_end"
    )
    assert ["width is swept on Market-1501 alone (depth), not on DukeMTMC-reID"] == of_kind(
        found, "one_dataset"
    )


@pytest.mark.slow
def test_a_table_that_could_find_nothing_is_named(tmp_path: Path):
    """Without a mark, and with differences below what the seeds find, no conclusion can be drawn; a mark closes it."""
    rows, noisy = [depth_row(2), depth_row(3)], [0.50, 0.60, 0.70]
    values = {
        "depth 2": {"Market-1501": seeds_of(noisy, noisy)},
        "depth 3": {"Market-1501": seeds_of([0.71, 0.52, 0.61], noisy)},
    }
    _, found = findings(make_study(make_ablation(rows)), tmp_path / "a", values)
    (text,) = of_kind(found, "no_power")
    assert "3 seeds find a difference in mAP of" in text
    values["depth 3"] = {"Market-1501": seeds_of([0.95, 0.951, 0.952], noisy)}
    values["depth 2"] = {"Market-1501": seeds_of([0.50, 0.501, 0.502], noisy)}
    _, found = findings(make_study(make_ablation(rows)), tmp_path / "b", values)
    assert [] == of_kind(found, "no_power")


def test_what_is_meant_so_stands_with_its_reason_and_is_not_counted(tmp_path: Path):
    """A declaration answers a finding, of one table or of all; the reason is printed in its place."""
    ablation = make_ablation(
        [depth_row(3), depth_row(4)], accepts={"no_reference": "two baselines of others"}
    )
    study = replace(make_study(ablation), accepts={"one_dataset": "the other is not given out any more"})
    _, found = findings(study, tmp_path)
    accepted = {one.gap: one.accepted for one in found if one.accepted}
    assert {
        "no_reference": "two baselines of others",
        "one_dataset": "the other is not given out any more",
    } == accepted
    assert "1 finding (seeds missing 1), 2 more meant so" == audit_line(found)
    page = document_to_markdown(audit_document("tiny", found))
    assert "Meant so: two baselines of others" in page
    with pytest.raises(Refusal, match="no_reference"):
        make_ablation([depth_row(2)], accepts={"no reference": "a misspelt kind"})


@pytest.mark.slow
def test_a_sound_study_has_no_finding(tmp_path: Path):
    """Components left out one by one, on two data sets, with three seeds that show it: nothing is found."""
    ablation = switches(
        [LeaveOneOut({"attention": {"attention": False}, "mixing": {"mixing": 0.0}})], datasets=[MARKET, DUKE]
    )
    good, bad = [0.90, 0.901, 0.902], [0.60, 0.601, 0.603]
    values = {
        row: {name: seeds_of(some, some) for name in ("Market-1501", "DukeMTMC-reID")}
        for row, some in (("full", good), ("w/o attention", bad), ("w/o mixing", bad))
    }
    _, found = findings(make_study(ablation), tmp_path, values)
    assert () == tuple(found)
