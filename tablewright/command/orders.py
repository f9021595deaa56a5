"""`--cancel` and `--retry`: orders to whoever trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text

from tablewright.command.named_trainings import found_trainings
from tablewright.command.screen import console
from tablewright.orchestrator.finding import FoundTraining
from tablewright.orchestrator.orders import cancel_training, retry_training
from tablewright.orchestrator.settings import Settings
from tablewright.orchestrator.store.store import Store


def cancel_trainings(settings: Settings, ids: Sequence[str]) -> int:
    """`--cancel`."""
    return carry_out(settings, ids, "--cancel", cancel_training)


def retry_trainings(settings: Settings, ids: Sequence[str]) -> int:
    """`--retry`."""
    return carry_out(settings, ids, "--retry", retry_training)


def carry_out(
    settings: Settings, ids: Sequence[str], option_name: str, order: Callable[[Store, FoundTraining], str]
) -> int:
    """Give one order of each training; one that is refused keeps none of the others from it."""
    store = settings.open_store()
    if not store.is_there:
        raise ValueError(f"{option_name}: there is no store at {store.url} yet, and nothing runs on it")
    refused: list[str] = []
    for found in found_trainings(settings, store, ids, option_name):
        try:
            console.print(Text(f"{order(store, found)}."))
        except ValueError as error:
            refused.append(str(error))
    if refused:
        raise ValueError("\n".join(refused))
    return 0
