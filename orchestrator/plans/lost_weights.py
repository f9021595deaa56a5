"""Which views cannot be measured any more, as the weights of a training are gone, and what is to be done about it."""

from __future__ import annotations

from tablewright.orchestrator.plans.plan import PlannedView
from tablewright.orchestrator.store.store import Store


class WeightsGone(Exception):
    """A view was asked of a finished training whose weights are gone, or of an ensemble with one."""


def why_unmeasurable(training_id: str, planned: PlannedView, store: Store) -> str:
    """Say why a view that is not measured cannot be, for want of weights; empty where it can.

    A finished training is not trained again by itself: on a GPU other weights would come of it, and what was measured
    of the first ones would stand beside what is measured of the second.

    Raises:
        DamagedFile: what is recorded of the weights cannot be read.
    """
    for identity in (training_id, *(partner.training_id for partner in planned.partners)):
        folder = store.training(identity)
        if why := folder.why_no_weights():
            return (
                f"the view {planned.view.short_name} is not measured, and cannot be: the weights of training "
                f"{identity[:8]} {why}. What was measured stands; to measure more, delete the folder {folder.url}, and "
                "the next run trains it again and measures all its views anew"
            )
    return ""
