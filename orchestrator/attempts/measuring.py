"""Measuring a trained network in the views that are asked for, and drawing what it does."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from tablewright.orchestrator.attempts.as_planned import check_measured
from tablewright.orchestrator.attempts.attempt import Attempt
from tablewright.orchestrator.attempts.collected_warnings import CollectedWarnings
from tablewright.orchestrator.attempts.failure_text import (
    as_message,
    words_of,
)
from tablewright.orchestrator.declared.search import Objective
from tablewright.orchestrator.plans.lost_weights import why_unmeasurable
from tablewright.orchestrator.plans.plan import Partner, PlannedView
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.work import Work
from tablewright.trainables.contract.device_memory import memory_of
from tablewright.trainables.contract.method import (
    ExtractsOnce,
    Illustrates,
    PreparesData,
    TellsValues,
    Trainable,
    TrainingConfig,
)
from tablewright.trainables.contract.run import (
    EpochReport,
    Runtime,
)
from tablewright.trainables.contract.view import EvaluationView, Split

logger = logging.getLogger(__name__)


def prepare_data(config: TrainingConfig, runtime: Runtime) -> None:
    """Make a config's data ready on this machine, where its method has anything to make ready.

    Raises:
        ValueError: what cannot be read.
    """
    trainable = config.make_trainable()
    if isinstance(trainable, PreparesData):
        trainable.prepare_data(config, runtime)


def measure_views(attempt: Attempt, network: Any, said: CollectedWarnings) -> list[str]:
    """Measure what is not measured; views of ensembles only once all their trainings are done.

    Args:
        attempt: whose training is measured.
        network: as it was trained; None loads it where anything is left to measure.
        said: what is warned of meanwhile.

    Returns:
        Why views are left out that can be measured no more.
    """
    work, store, folder, runtime = attempt.work, attempt.store, attempt.folder, attempt.runtime
    done, said_before, is_loaded = folder.measured_views(), said.so_far(), network is None
    missing = {
        identity: planned
        for identity, planned in work.views.items()
        if identity not in done
        and all(store.training(partner.training_id).is_done() for partner in planned.partners)
    }
    why_not = {
        identity: why
        for identity, planned in missing.items()
        if (is_loaded or planned.partners) and (why := why_unmeasurable(work.training_id, planned, store))
    }
    missing = {identity: planned for identity, planned in missing.items() if identity not in why_not}
    trainable = work.config.make_trainable()
    if missing and is_loaded:
        folder.check_weights()
        network = trainable.load(work.config, runtime, folder.checkpoints)
    together: dict[tuple[TrainingConfig, Split, str], dict[str, PlannedView]] = {}
    for identity, planned in missing.items():
        check_measured(planned.config, planned.view, planned.data, runtime)
        run = planned.config, planned.view.split, planned.view.extracted_in
        together.setdefault(run, {})[identity] = planned
    for (config, split, _), views in together.items():
        if is_loaded or config != work.config:
            prepare_data(config, runtime)
        seen = [planned.view for planned in views.values()]
        with attempt.hooks.part("extracting"):
            extraction = _extract(trainable, config, runtime, network, split, seen)
        for identity, planned in views.items():
            with attempt.hooks.part("measuring"):
                members = [(config, extraction)]
                members += [
                    (partner.config, _extract_of(partner, store, runtime, planned.view))
                    for partner in planned.partners
                ]
                measured = trainable.measure(members, planned.view)
            folder.write_measurement(
                planned.view,
                identity,
                measured,
                [partner.training_id for partner in planned.partners],
                data=planned.data,
                warnings=[sentence for sentence in said.so_far() if sentence not in said_before],
            )
        if split == "test" and not folder.pictures():
            _illustrate(attempt, config, network, extraction, said)
    return list(why_not.values())


def _illustrate(
    attempt: Attempt, config: TrainingConfig, network: Any, extraction: Any, said: CollectedWarnings
) -> None:
    """Draw what the network does; a fault of drawing is kept in words and costs no training."""
    trainable = config.make_trainable()
    if not isinstance(trainable, Illustrates):
        return
    warning, said_before = "", said.so_far()
    try:
        attempt.folder.write_pictures(trainable.illustrate(config, attempt.runtime, network, extraction))
    except Exception as error:
        warning = as_message(f"not every picture could be drawn: {words_of(error)}")
        logger.info("%s: %s", attempt.work.label, warning)
    while_drawing = [text for text in said.so_far() if text not in said_before]
    attempt.folder.write_picture_warning("; ".join(filter(None, [warning, *while_drawing])))


def _extract(
    trainable: Trainable,
    config: TrainingConfig,
    runtime: Runtime,
    network: Any,
    split: Split,
    views: Sequence[EvaluationView],
) -> Any:
    if not isinstance(trainable, ExtractsOnce):
        return network
    extraction = trainable.extract(config, runtime, network, split, views)
    memory_of(runtime.device).give_back()  # what follows is measured without it, while others may train there
    return extraction


def _extract_of(partner: Partner, store: Store, runtime: Runtime, view: EvaluationView) -> Any:
    trainable = partner.config.make_trainable()
    check_measured(partner.config, view, partner.data, runtime)
    folder = store.training(partner.training_id)
    folder.check_weights()
    network = trainable.load(partner.config, runtime, folder.checkpoints)
    return _extract(trainable, partner.config, runtime, network, view.split, [view])


def watch(
    work: Work,
    objective: Objective,
    trainable: Trainable,
    runtime: Runtime,
    report: EpochReport,
    network: Any,
) -> float | None:
    """Give what a pruner is told of an epoch; None where there is nothing to measure, and nothing was told."""
    view = objective.view
    if network is None:  # of a loop of somebody's own
        return report.metrics.get(objective.watched_name)
    if isinstance(trainable, TellsValues):
        return trainable.value_told(network, view, objective.metric)
    extraction = _extract(trainable, work.config, runtime, network, view.split, [view])
    return float(trainable.measure([(work.config, extraction)], view).metrics[objective.metric.name])
