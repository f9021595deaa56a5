"""Finds the one training that a person means: by the first digits of its id, or by its label or the beginning of it."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from tablewright.orchestrator.store.claims import Claims, training_claim
from tablewright.orchestrator.store.damaged_file import DamagedFile
from tablewright.orchestrator.store.signs_of_life import TrainingSign, sign_from
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import TrainingFolder
from tablewright.trainables.value.secret import masked

SHOWN_DIGITS = 12
MAX_CANDIDATES = 8
SURE_DIGITS = 8
"""As --status shows them: where one training in the store begins with them, no study is asked for others."""


@dataclass(frozen=True)
class FoundTraining:
    """The training that was meant.

    Attributes:
        training_id: of it.
        label: for people; empty where nobody has recorded one.
    """

    training_id: str
    label: str

    def __str__(self) -> str:
        """For people."""
        return (
            f"{self.training_id[:SHOWN_DIGITS]} ({self.label})"
            if self.label
            else self.training_id[:SHOWN_DIGITS]
        )


def find_by_id(store: Store, text: str, option: str) -> str:
    """Find the one training of a store whose id begins so.

    Args:
        store: that has it.
        text: the first digits of its id.
        option: that names it, for messages.

    Raises:
        ValueError: none begins so, or several do.
    """
    beginning, known = text.strip().lower(), store.training_ids()
    fitting = [identity for identity in known if identity.startswith(beginning)]
    if not beginning:
        raise ValueError(
            f"{option}: an id is empty; give the first digits of a training's id, as --status shows them"
        )
    if len(fitting) > 1:
        raise _ambiguous(
            [_found(store, identity) for identity in fitting[:MAX_CANDIDATES]], fitting, text, option
        )
    if not fitting:
        beginnings = {identity[: len(beginning)]: identity for identity in known}
        near = difflib.get_close_matches(beginning, beginnings, n=3)
        meant = "; ".join(str(_found(store, beginnings[name])) for name in near)
        hint = f"The nearest: {meant}" if meant else "--status of a study lists the ids of its trainings"
        raise ValueError(
            f"{option}: none of the {len(known)} trainings in {masked(store.url)} begins with {text!r}. {hint}"
        )
    return fitting[0]


def find_training(
    store: Store, text: str, option: str, planned: Callable[[], Mapping[str, str]]
) -> FoundTraining:
    """Find the one training that is meant, whether it has begun or not.

    Args:
        store: in which it has left a trace, or will.
        text: the first digits of its id, or its label or the beginning of that.
        option: that names it, for messages.
        planned: id -> label of what studies plan, asked where the store alone does not say it.

    Raises:
        ValueError: there is none, or several, or the studies cannot be read.
    """
    beginning = text.strip().lower()
    if not beginning:
        raise ValueError(
            f"{option}: an id is empty; give the first digits of one, as --status shows them, or a label"
        )
    known = store.training_ids()
    fitting = [identity for identity in known if identity.startswith(beginning)]
    if len(fitting) == 1 and len(beginning) >= SURE_DIGITS:
        return FoundTraining(fitting[0], label_of(store, fitting[0]) or _planned_label(fitting[0], planned))
    labels = {**{identity: "" for identity in known}, **planned()}
    fitting = [identity for identity in labels if identity.startswith(beginning)]
    if not fitting:
        by_label = {identity: label.lower() for identity, label in labels.items()}
        fitting = [identity for identity, label in by_label.items() if label == beginning]
        fitting = fitting or [identity for identity, label in by_label.items() if label.startswith(beginning)]
    found = [
        FoundTraining(identity, labels[identity] or label_of(store, identity))
        for identity in fitting[:MAX_CANDIDATES]
    ]
    if len(fitting) > 1:
        raise _ambiguous(found, fitting, text, option)
    if not found:
        near = difflib.get_close_matches(text.strip(), [*filter(None, labels.values())], n=3, cutoff=0.5)
        hint = f" The nearest labels: {'; '.join(near)}." if near else ""
        raise ValueError(
            f"{option}: no training has an id or a label that begins with {text!r}, in {masked(store.url)} or in what "
            f"the studies plan.{hint} --status of a study lists both; a row that no sweep has seen yet has "
            "no id to go by"
        )
    return found[0]


def _planned_label(training_id: str, planned: Callable[[], Mapping[str, str]]) -> str:
    """Give the label by which people know one whose id is certain; studies that cannot be read leave it without."""
    try:
        return planned().get(training_id, "")
    except ValueError:
        return ""


def find_trainings(
    store: Store, texts: Iterable[str], option: str, planned: Callable[[], Mapping[str, str]]
) -> list[FoundTraining]:
    """Find several, each once; see `find_training`.

    Raises:
        ValueError: every one that is not found.
    """
    asked_once, faults = functools.cache(planned), list[str]()
    found: dict[str, FoundTraining] = {}
    for text in texts:
        try:
            one = find_training(store, text, option, asked_once)
            found[one.training_id] = one
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError("\n".join(dict.fromkeys(faults)))
    return list(found.values())


def _ambiguous(found: list[FoundTraining], fitting: Collection[str], text: str, option: str) -> ValueError:
    more = f"; and {len(fitting) - MAX_CANDIDATES} more" if len(fitting) > MAX_CANDIDATES else ""
    return ValueError(
        f"{option}: {len(fitting)} trainings begin with {text!r}: {'; '.join(map(str, found))}{more}. Give more digits"
    )


def _found(store: Store, identity: str) -> FoundTraining:
    return FoundTraining(identity, label_of(store, identity))


def label_of(store: Store, training_id: str) -> str:
    """Give the label that a training has, as the store knows it; empty where nothing says so."""
    try:
        label = _recorded_label(store.training(training_id))
    except DamagedFile:
        return "its record is damaged"
    if not label and (owner := Claims(store).last_owner(training_claim(training_id))) is not None:
        sign = sign_from(owner.told, TrainingSign)
        label = "" if sign is None else sign.label
    return label


def _recorded_label(folder: TrainingFolder) -> str:
    for found in (folder.record, folder.failure, folder.cancellation):
        if (known := found()) is not None:
            return known.label
    return ""
