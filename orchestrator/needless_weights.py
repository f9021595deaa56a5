"""Removes trained weights once all that a plan knows of is measured on them: `--keep-checkpoints none`."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tablewright.orchestrator.plans.plan import Plan
from tablewright.orchestrator.status import TrainingStatus
from tablewright.orchestrator.store.claims import Claims, training_claim
from tablewright.orchestrator.store.parallel_reading import read_all
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Outcome, Progress, Work

BY_OPTION = "--keep-checkpoints none"

logger = logging.getLogger(__name__)


class NeedlessWeights:
    """Removes the weights of trainings of a plan that nothing in it needs any more, as they end; a `Listener`.

    As long as a search goes on nothing is removed: what it finds best is measured further, and what it suggests may be
    a training that is recorded already.
    """

    def __init__(self, plan: Plan, store: Store) -> None:
        """Look at nothing yet.

        Args:
            plan: whose views have to be measured first.
            store: of the trainings.
        """
        self._plan, self._store, self._claims = plan, store, Claims(store)
        self._is_searching = any(not state.is_finished for state in plan.searches.values())
        self._ensembles: dict[str, list[tuple[str, str]]] = {}
        for cell in plan.cells:
            for identity in cell.partner_ids:
                self._ensembles.setdefault(identity, []).append((cell.training_id, cell.view_id))

    def on_start(self, work: Work) -> None:
        """Nothing is removed yet."""

    def on_progress(self, work: Work, progress: Progress) -> None:
        """Nothing is removed yet."""

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Remove the weights of a training that is done, and of those that its ensembles have waited for."""
        if outcome.state == "done" and work.training_id in self._plan.trainings:
            partners = (
                partner.training_id for planned in work.views.values() for partner in planned.partners
            )
            self._remove(self._store, dict.fromkeys((work.training_id, *partners)))

    def remove_rest(self, statuses: Sequence[TrainingStatus]) -> None:
        """Remove what was not removed as trainings ended: of an earlier sweep, of searches, of what others had.

        Args:
            statuses: of the plan.
        """
        searched = [identity for state in self._plan.searches.values() for identity in state.recorded_ids]
        done = [status.training.training_id for status in statuses if status.state == "done"]
        self._remove(self._store.listed(), dict.fromkeys([*done, *searched]))

    def _remove(self, store: Store, training_ids: dict[str, None]) -> None:
        if self._is_searching:
            return
        is_needless = read_all(lambda identity: self._is_needless(identity, store), training_ids)
        for identity, removes in zip(training_ids, is_needless, strict=True):
            if removes:
                self._remove_claimed(identity)

    def _is_needless(self, identity: str, store: Store) -> bool:
        folder = store.training(identity)
        if not (folder.has_weights() and folder.is_done()):
            return False
        planned = self._plan.trainings.get(identity)
        is_measured = planned is None or planned.views.keys() <= folder.measured_views()
        return is_measured and all(
            view_id in store.training(first).measured_views()
            for first, view_id in self._ensembles.get(identity, ())
        )

    def _remove_claimed(self, identity: str) -> None:
        try:
            with self._claims.held(training_claim(identity)) as claim:
                if claim is not None:  # otherwise somebody measures on them
                    self._store.training(identity).remove_weights(BY_OPTION)
        except Exception as error:  # each kind of store raises its own; the next run removes them
            logger.warning("the weights of training %s could not be removed: %s", identity[:8], error)
