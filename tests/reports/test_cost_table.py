"""Costs, and what is left, as people read them."""

from dataclasses import replace

import pytest

from tablewright.orchestrator.costs.cost import CostSheet, Spent
from tablewright.orchestrator.costs.forecast import Interval
from tablewright.orchestrator.costs.outlook import Outlook, Room
from tablewright.orchestrator.costs.prices import Prices
from tablewright.orchestrator.store.holding import Holding
from tablewright.reports.cost_table import build_cost_table, costs_to_markdown, hours_text
from tablewright.reports.notes.outlook_text import outlook_lines, room_lines, room_warning
from tablewright.trainables.contract.size import TrainingWork

HOUR = Spent(cpu_s=4 * 3600.0, gpu_s=3600.0, price=0.8)
ROW, OTHER = ("mdpr", "t", "a | b"), ("mdpr", "t", "c")
SHEET = CostSheet(
    total=HOUR,
    num_trainings=2,
    by_studies={("mdpr", "mgn"): HOUR},
    by_rows={(ROW, OTHER): HOUR},
    by_owner={"colleague": HOUR},
    by_device={"NVIDIA L4": HOUR},
    by_state={"done": HOUR},
)
PRICES = Prices("USD", {"NVIDIA L4": 0.8}, {})
HELD = Holding(held_s=60.0, cpus=4.0, gpus=0.5, device="NVIDIA L4")


def lines(sheet, prices=None):
    table = build_cost_table(sheet, prices)
    return table.head, {text: figures for _, rows in table.groups for text, *figures in rows}, table.notes


def test_hours_and_amounts_have_a_column_each():
    """And what rows, or studies, share is one line of them together."""
    head, figures, notes = lines(SHEET, PRICES)
    assert ("spent so far", "GPU-hours", "CPU-hours", "USD") == head
    assert ["1.00", "4.00", "0.80"] == figures["mdpr/t: a | b, shared with 1 other row"]
    assert figures["2 trainings"] == figures["mdpr and mgn"] == figures["colleague"] == figures["NVIDIA L4"]
    assert any("counted once" in note for note in notes)


def test_a_sweep_without_gpus_or_prices_has_no_column_of_them():
    """A column of zeros would say nothing."""
    sheet = replace(SHEET, total=Spent(cpu_s=3600.0), by_rows={})
    assert ("spent so far", "CPU-hours") == lines(sheet)[0]


def test_energy_has_a_column_where_gpus_have_counted_it():
    """In kWh of GPUs, with a sign where others held some that do not count, and a note of what is not in it."""
    counted = replace(HOUR, energy_j=1.8e6)
    head, figures, notes = lines(
        replace(SHEET, total=counted, by_state={"done": replace(counted, unmetered_gpu_s=9.0)})
    )
    assert ("spent so far", "GPU-hours", "CPU-hours", "kWh of GPUs") == head
    assert ["1.00", "4.00", "0.50"] == figures["2 trainings"]
    assert ["1.00", "4.00", "≥ 0.50"] == figures["done"]
    assert "not counted" == figures["colleague"][-1]
    assert any("themselves have counted" in note for note in notes)


def test_what_is_known_in_part_has_a_sign_that_is_explained():
    """A sum with a hole is at least so much; one of records of before is an estimate."""
    for flag, sign in (("is_at_least", "≥"), ("is_estimated", "≈")):
        _, figures, notes = lines(replace(SHEET, total=replace(HOUR, **{flag: True})))
        assert [f"{sign} 1.00", f"{sign} 4.00"] == figures["2 trainings"]
        assert any(note.startswith(f"{sign}:") for note in notes)


def test_a_device_without_a_price_is_named():
    """And its amount is not shown as nothing."""
    spent = replace(HOUR, price=0.0, unpriced=frozenset({"abacus"}))
    sheet = replace(SHEET, total=spent, by_device={"abacus": spent})
    _, figures, notes = lines(sheet, PRICES)
    assert "no price" == figures["abacus"][-1]
    assert any("no price for abacus" in note for note in notes)


def test_a_page_is_markdown_whatever_a_row_is_called():
    """A bar in a label ends no cell."""
    page = costs_to_markdown("MDPR", build_cost_table(SHEET, PRICES))
    widths = {line.replace("\\|", "").count("|") for line in page.splitlines() if line.startswith("|")}
    assert {5} == widths


@pytest.mark.parametrize(
    ("hours", "expected"), [(0, "0"), (0.00123, "0.0012"), (0.5, "0.50"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_hours_have_the_digits_that_say_something(hours, expected):
    """Of a second and of a month."""
    assert expected == hours_text(hours)


def text_of(outlook, prices=None, **more):
    return " ".join(outlook_lines(outlook, prices, max_concurrent=more.pop("max_concurrent", None), **more))


def test_a_forecast_says_hours_amount_interval_and_its_basis():
    """Half a GPU for ten hours of trainings is five GPU-hours; and two at a time take half as long."""
    outlook = Outlook(7, 7, Interval(28_800, 36_000, 45_000), 7200.0, 3, HELD)
    text = text_of(outlook, PRICES, max_concurrent=2)
    assert (
        "7 trainings left: 5.00 [4.00, 6.25] GPU-hours, 40.0 [32.0, 50.0] CPU-hours, 4.00 [3.20, 5.00] USD"
        in text
    )
    assert "by 3 recorded ones on NVIDIA L4" in text
    assert "with 2 at a time, none of which waits, 5.00 [4.00, 6.25] h" in text
    assert "with 100 at a time, none of which waits, 2.00 [2.00, 2.00] h" in text_of(
        outlook, max_concurrent=100
    )


def test_nothing_left_needs_no_forecast_and_the_unknown_is_said_to_be():
    """Neither is a row of zeros."""
    assert "" == text_of(Outlook())
    assert "there is no forecast" in text_of(
        Outlook(3, num_uncounted=3), without=["what searches will train"]
    )
    counted = Outlook(
        3,
        works=(TrainingWork(2e17, "fp16", 1),) * 3,
        by_device_s={"NVIDIA L4": Interval(3600, 7200, 14_400), "NVIDIA H100": Interval(360, 720, 1440)},
    )
    text = text_of(counted, PRICES)
    assert "6e+17 floating-point operations" in text
    assert "on NVIDIA L4 2.00 [1.00, 4.00] GPU-hours, 1.60 [0.80, 3.20] USD; on NVIDIA H100 0.20" in text


def test_a_disc_without_room_is_warned_of():
    """With what to do; a store without a disc has no such warning."""
    full = Room(kept_bytes=10**9, left_bytes=67 * 10**9, num_unknown=2, free_bytes=5 * 10**9)
    assert "5.0 GB free" in room_warning(full)
    assert "67.0 GB" in room_warning(full)
    assert "" == room_warning(replace(full, free_bytes=None)) == room_warning(replace(full, left_bytes=1))
    (line,) = room_lines(full, keeps_weights=True)
    assert (
        "take 1.0 GB of the store, and 67.0 GB and those of 2 trainings are to come; 5.0 GB are free" in line
    )
    assert [] == list(room_lines(Room(0, 0, 3, 10), keeps_weights=True))
