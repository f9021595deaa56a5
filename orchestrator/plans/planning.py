"""The plan of studies for a store: with the data that are there or were, and with what searches have found so far."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from tablewright.orchestrator.declared.study import Study, UntilDecided
from tablewright.orchestrator.plans.plan import Plan, SeedCounts, make_plan
from tablewright.orchestrator.plans.resolution import DataResolver, DescribeData, StoreResolver
from tablewright.orchestrator.searches.search_state import SearchState, read_search_state
from tablewright.orchestrator.status import TrainingStatus
from tablewright.orchestrator.store.store import Store
from tablewright.trainables.contract.data import DatasetFacts
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.run import Runtime


def describe_with(runtime: Runtime) -> DescribeData:
    """Find data sets as a machine with these settings would."""

    def describe(config: TrainingConfig) -> DatasetFacts:
        try:
            return config.make_trainable().describe_data(config, runtime)
        except (ValueError, OSError):
            raise
        except Exception as error:  # of code that somebody writes, which the traceback of ours would hide
            last = traceback.extract_tb(error.__traceback__)[-1]
            raise ValueError(
                f"the code of {config.METHOD} fails where its data are described: {last.filename}:{last.lineno}: "
                f"{type(error).__name__}: {error}; mend it, and run the same command again"
            ) from error

    return describe


SeedRule = Callable[[Plan, Store], SeedCounts]
"""Says how many seeds the rows of `UntilDecided` studies need by what is recorded of a plan of all their seeds."""


def first_seeds_alone(plan: Plan, store: Store) -> SeedCounts:
    """Give no row more than the first seeds: a rule for who has none."""
    return {}


def plan_with_data(
    studies: Sequence[Study], store: Store, runtime: Runtime, seed_rule: SeedRule = first_seeds_alone
) -> Plan:
    """Make the plan for the data that are there, with what the searches have found so far.

    Raises:
        ValueError: every data set that cannot be found.
    """
    return make_plan_of(studies, DataResolver(describe_with(runtime), store), store, seed_rule)


def plan_as_recorded(
    studies: Sequence[Study],
    store: Store,
    runtime: Runtime,
    seed_rule: SeedRule = first_seeds_alone,
    on_machine: Callable[[TrainingConfig], None] = lambda config: None,
) -> Plan:
    """Make the plan for the data that the last sweep had, which need not be there: to read what is recorded.

    Args:
        studies: declared studies.
        store: of the records.
        runtime: settings of this machine.
        seed_rule: how many seeds rows have.
        on_machine: told of each config whose data the store does not know, so that they are looked for here.
    """
    describe_here = describe_with(runtime)

    def describe(config: TrainingConfig) -> DatasetFacts:
        on_machine(config)
        return describe_here(config)

    return make_plan_of(studies, StoreResolver(store, describe), store, seed_rule)


def resolver_of_records(store: Store, runtime: Runtime) -> DataResolver:
    """Give what knows the data that the last sweep had, which need not be there."""
    return StoreResolver(store.listed(), describe_with(runtime))


def plan_of_all_seeds(studies: Sequence[Study], store: Store, runtime: Runtime) -> Plan:
    """Make the same plan with every seed that a row may get."""
    store = store.listed()
    resolver = StoreResolver(store, describe_with(runtime))
    return make_plan(studies, resolver, _search_states(studies, resolver, store), seed_counts=None)


def make_plan_of(studies: Sequence[Study], resolver: DataResolver, store: Store, seed_rule: SeedRule) -> Plan:
    """Make the plan for the data that a resolver knows, with what the searches have found so far."""
    store = store.listed()
    states = _search_states(studies, resolver, store)
    if not any(isinstance(study.seeds, UntilDecided) for study in studies):
        return make_plan(studies, resolver, states)
    of_all_seeds = make_plan(studies, resolver, states, seed_counts=None)
    return make_plan(studies, resolver, states, seed_rule(of_all_seeds, store))


def _search_states(
    studies: Sequence[Study], resolver: DataResolver, store: Store
) -> dict[tuple[str, str], SearchState]:
    """Read how far the searches are; one whose data are missing is named by the plan, beside all others."""
    states: dict[tuple[str, str], SearchState] = {}
    for study in studies:
        for search in study.all_searches:
            try:
                resolver.resolve(search.trial_config({}))
            except ValueError:
                continue
            states[study.name, search.name] = read_search_state(search, resolver, store)
    return states


def is_complete(plan: Plan, statuses: Sequence[TrainingStatus]) -> bool:
    """Say whether every cell is filled: all trainings are done and every search has found its best."""
    is_found = not (plan.unfilled_searches or plan.num_waiting_cells)
    return is_found and all(status.state == "done" for status in statuses)
