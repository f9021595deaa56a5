"""Where a training stands in print, or in a search: one place of what may be many."""

from __future__ import annotations

from dataclasses import dataclass

from tablewright.orchestrator.declared.search import Search


@dataclass(frozen=True)
class Place:
    """One cell that shows a training, or one trial of a search that it is.

    Attributes:
        is_trial: of a search; else it is a cell.
        profile: of the study; empty where it has none.
        study: name.
        table: name of the table, or of the search.
        row: label with its group in front, and of an ensemble which member it is; of a search `trial 3`.
        dataset: label.
        seed: of it.
    """

    is_trial: bool
    profile: str
    study: str
    table: str
    row: str
    dataset: str
    seed: int

    @property
    def study_key(self) -> str:
        """Name the study among all of a store, in which each profile has tables of its own."""
        return f"{self.profile}/{self.study}" if self.profile else self.study

    @property
    def table_key(self) -> str:
        """Name the table among all of a store."""
        return f"{self.study_key}/{self.table}"

    @property
    def label(self) -> str:
        """Name it within its study, without data set and seed."""
        return f"{self.table}: {self.row}"

    @property
    def column(self) -> str:
        """Say under which data set and seed it stands."""
        return f"[{self.dataset}] seed {self.seed}"


def trial_place(study: str, search: Search, number: int, dataset: str = "", seed: int | None = None) -> Place:
    """Give the place of a training that a search has suggested, of a study without profiles.

    Args:
        study: name of the study that the search is of.
        search: it.
        number: of the trial.
        dataset: label of the part's data set; left out, the search's.
        seed: of the part; None is that of the search's base.
    """
    on = dataset or search.datasets[0].label
    return Place(
        True, "", study, search.name, f"trial {number}", on, search.base.seed if seed is None else seed
    )
