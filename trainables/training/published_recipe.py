"""Which data sets a paper gives a recipe for: the others are refused, not given another one's schedule unasked."""

from __future__ import annotations

from collections.abc import Collection


def require_recipe(
    paper: str, dataset: str, published: Collection[str], *, schedule: str = "num_epochs and decay_epochs"
) -> None:
    """Refuse a data set that the paper publishes no recipe for.

    Args:
        paper: as it is called in print.
        dataset: that a recipe is asked for.
        published: the data sets that there is one for.
        schedule: the fields of `optimisation` that the size of a data set decides.

    Raises:
        ValueError: there is none; says which there are, and how to train on this data set all the same.
    """
    if dataset not in published:
        raise ValueError(
            f"{paper} publishes no recipe for {dataset!r}, only for {', '.join(published)}; take one of these and "
            f"set data.dataset, and optimisation.{schedule} for its size"
        )
