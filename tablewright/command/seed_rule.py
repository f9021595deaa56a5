"""How many seeds rows have: the rule of studies that add them, whose statistics are loaded for such studies alone."""

from __future__ import annotations

from collections.abc import Sequence

from tablewright.orchestrator.declared.study import Study, UntilDecided
from tablewright.orchestrator.plans.planning import SeedRule, first_seeds_alone


def adds_seeds(studies: Sequence[Study]) -> bool:
    """Say whether any of these studies adds seeds while comparisons are open."""
    return any(isinstance(study.seeds, UntilDecided) for study in studies)


def seeds_now(studies: Sequence[Study]) -> SeedRule:
    """Give the rule of how many seeds the rows of these studies need by what is recorded."""
    if not adds_seeds(studies):
        return first_seeds_alone
    from tablewright.reports.statistics.seed_growth import seeds_until_decided

    return seeds_until_decided


def seeds_at_most(studies: Sequence[Study]) -> SeedRule:
    """Give the rule of how many they get at most."""
    if not adds_seeds(studies):
        return first_seeds_alone
    from tablewright.reports.statistics import seed_growth

    return seed_growth.seeds_at_most
