"""What is left of a plan, in sentences: hours, an interval, the assumption they rest on, and room in the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tablewright.orchestrator.costs.forecast import COVERAGE, Interval
from tablewright.orchestrator.costs.outlook import Outlook, Room
from tablewright.orchestrator.costs.prices import Prices
from tablewright.reports.cost_table import hours_text
from tablewright.trainables.value.counted import counted

HOUR_S = 3600.0


def outlook_lines(
    outlook: Outlook, prices: Prices | None, *, max_concurrent: int | None, without: Sequence[str] = ()
) -> Iterator[str]:
    """Say what is left and how long it will take.

    Args:
        outlook: of a plan.
        prices: of devices.
        max_concurrent: trainings at a time, where the user has said it.
        without: what else is left that is not in it, such as searches.
    """
    beside = f", without {' and '.join(without)}" if without else ""
    if not outlook.num_left:
        return
    if outlook.wall_s is not None and outlook.held is not None:
        yield f"{_recorded_text(outlook, prices)}{beside}."
        yield _wall_text(outlook, outlook.wall_s, max_concurrent)
    if outlook.works:
        flops = sum(work.flops for work in outlook.works)
        yield (
            f"Of {counted(len(outlook.works), 'training')} left no time is recorded for their method and data: "
            f"{flops:.2g} floating-point operations, counted. {'; '.join(_counted_texts(outlook, prices))}{beside}."
        )
    if outlook.num_uncounted:
        yield (
            f"Of {counted(outlook.num_uncounted, 'training')} left there is no forecast until one of the method and "
            f"data is recorded{beside}."
        )


def _recorded_text(outlook: Outlook, prices: Prices | None) -> str:
    assert outlook.wall_s is not None
    assert outlook.held is not None
    held = outlook.held
    parts = [f"{_interval_text(outlook.wall_s * (held.gpus / HOUR_S))} GPU-hours"] if held.gpus else []
    parts.append(f"{_interval_text(outlook.wall_s * (held.cpus / HOUR_S))} CPU-hours")
    hour = held.model_copy(update={"held_s": HOUR_S})
    if prices is not None and (hourly := prices.of(hour)) is not None:
        parts.append(f"{_amount_text(outlook.wall_s * (hourly / HOUR_S))} {prices.currency}")
    return (
        f"Forecast of {counted(outlook.num_forecast, 'training')} left: {', '.join(parts)} (within the brackets in "
        f"{100 * COVERAGE:.0f} cases of 100), by {counted(outlook.num_recorded, 'recorded one')} on "
        f"{held.device or 'a device that was not recorded'}"
    )


def _wall_text(outlook: Outlook, wall_s: Interval, max_concurrent: int | None) -> str:
    alone = f"One after another that is {_interval_text(wall_s * (1 / HOUR_S))} h"
    if max_concurrent is None or max_concurrent == 1:
        return f"{alone}; as many at a time as --max-concurrent says divide it, where none waits for another."
    together = Interval(
        *(
            max(one_s / max_concurrent, outlook.longest_s)
            for one_s in (wall_s.low, wall_s.likely, wall_s.high)
        )
    )
    hours = _interval_text(together * (1 / HOUR_S))
    return f"{alone}; with {max_concurrent} at a time, none of which waits, {hours} h."


def _counted_texts(outlook: Outlook, prices: Prices | None) -> Iterator[str]:
    if outlook.on_core_s is not None:
        yield (
            f"On a core of this machine {_interval_text(outlook.on_core_s * (1 / HOUR_S))} hours, by a probe of it"
        )
    for device, expected_s in outlook.by_device_s.items():
        price = None if prices is None else prices.of_gpu_hours(device, 1.0)
        amount = (
            f", {_amount_text(expected_s * (price / HOUR_S))} {prices.currency}"
            if prices is not None and price is not None
            else ""
        )
        yield f"on {device} {_interval_text(expected_s * (1 / HOUR_S))} GPU-hours{amount}"
    if outlook.by_device_s:
        yield "of GPUs an estimate by what their makers print, and the share of it that trainings usually reach"


def room_lines(room: Room, *, keeps_weights: bool) -> Iterator[str]:
    """Say what final checkpoints take of the store."""
    if not (room.kept_bytes or room.left_bytes):
        return
    unknown = f" and those of {counted(room.num_unknown, 'training')}" if room.num_unknown else ""
    free = "" if room.free_bytes is None else f"; {_size_text(room.free_bytes)} are free there"
    gone = "" if keeps_weights else " until --keep-checkpoints none removes them"
    yield (
        f"Final checkpoints take {_size_text(room.kept_bytes)} of the store, and {_size_text(room.left_bytes)}"
        f"{unknown} are to come{gone}{free}."
    )


def room_warning(room: Room) -> str:
    """Say that the disc of the store has not the room; empty where it has."""
    if not room.is_too_little or room.free_bytes is None:
        return ""
    return (
        f"the disc of the store has {_size_text(room.free_bytes)} free, and the final checkpoints that are to come "
        f"take {_size_text(room.left_bytes)}: name another --store, make room (--gc says what no study needs), or give "
        "--keep-checkpoints none, which removes weights once all that is planned is measured"
    )


def _interval_text(hours: Interval) -> str:
    return f"{hours_text(hours.likely)} [{hours_text(hours.low)}, {hours_text(hours.high)}]"


def _amount_text(amount: Interval) -> str:
    return f"{amount.likely:,.2f} [{amount.low:,.2f}, {amount.high:,.2f}]"


def _size_text(size_bytes: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if size_bytes >= size:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{size_bytes / 1e3:.0f} kB"
