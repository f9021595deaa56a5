"""One attempt at one training, as what makes it is handed on."""

from __future__ import annotations

from dataclasses import dataclass

from tablewright.orchestrator.attempts.trial_hooks import TrialHooks
from tablewright.orchestrator.store.claims import Claim
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.orchestrator.work import Work
from tablewright.trainables.contract.run import Runtime


@dataclass(frozen=True)
class Attempt:
    """An attempt that has claimed its training.

    Attributes:
        work: what is trained and measured.
        store: that the training is kept in.
        folder: of the training.
        claim: on it, which another attempt may take over.
        runtime: of this process.
        hooks: of the backend.
    """

    work: Work
    store: Store
    folder: TrainingFolder
    claim: Claim
    runtime: Runtime
    hooks: TrialHooks
