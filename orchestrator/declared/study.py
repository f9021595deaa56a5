"""What a file in `search_spaces/` declares: tables to fill and searches to make, checked when built.

A `Study` holds `Ablation`s (printed tables) and `Search`es. Every fault of a declaration is found when it is built,
and all of them are told at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from tablewright.orchestrator.declared.ablation import Ablation
from tablewright.orchestrator.declared.dataset import without_own_seed
from tablewright.orchestrator.declared.declared_names import StudyName, twice
from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.declared.found_base import FoundBase
from tablewright.orchestrator.declared.gap import AcceptedGaps
from tablewright.orchestrator.declared.paper_table import PaperTable
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.row_search import RowSearch
from tablewright.orchestrator.declared.search import Search
from tablewright.orchestrator.declared.search_table import search_table
from tablewright.orchestrator.declared.size_table import SizeTable
from tablewright.orchestrator.declared.venue import AskedVenue, LatexPackage
from tablewright.trainables.contract.method import SEED_LIMIT, Seed
from tablewright.trainables.value.declaration import Declaration
from tablewright.trainables.value.freezing import EMPTY
from tablewright.trainables.value.refusal import Fault, Refusal, guess
from tablewright.trainables.value.text import Text


@dataclass(frozen=True)
class UntilDecided(Declaration):
    """Seeds that are added to rows as long as what they are compared by is open.

    Attributes:
        first: seeds that every row gets; with fewer than three nothing can be compared.
        most: seeds that a row gets at most.
        begin: the first seed; the others follow it.
    """

    first: Annotated[int, Field(ge=3)] = 3
    most: Annotated[int, Field(ge=3, le=1000)] = 10
    begin: Seed = 0

    def find_faults(self) -> Iterator[Fault]:
        """Find that nothing could be added."""
        if self.most <= self.first:
            yield Fault(
                "most", f"it is above first, or no seed is ever added; got {self.first} and {self.most}"
            )
        if self.begin + self.most > SEED_LIMIT:
            yield Fault(
                "begin", f"seeds are below {SEED_LIMIT}; got {self.begin} and {self.most} seeds from it on"
            )

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Every seed that a row may get."""
        return tuple(range(self.begin, self.begin + self.most))


@dataclass(frozen=True)
class Study(Declaration):
    """What one file in `search_spaces/` declares.

    Attributes:
        name: that of its file.
        title: one line for lists and captions.
        source: the paper.
        seeds: every cell is the mean over them; or how many there are follows from the results.
        ablations: tables to fill.
        searches: searches to make, each with its table.
        sizes: tables of sizes, which are counted.
        paper_tables: tables as the paper prints them, made of the ablations.
        is_on_request: left out of `all`, such as for data that must be made first.
        left_out: names of tables that have no column of the data sets that were asked for.
        profile: that it was declared for; None where it has no profiles. Set by who loads it.
        priority: of its tables and searches that have none of their own, among what else a sweep runs.
        starts_from: what searches have found that it was declared with. Set by who loads it.
        venue: where its tables and figures are printed, by name, or the width of the text there in points. No
            training's id follows from it.
        latex_packages: what its LaTeX tables use beside booktabs: `siunitx` for columns of numbers, `multirow` for
            heads of groups beside their rows.
        accepts: gaps that an audit of any of its tables would name and that are meant, each with the reason.
    """

    name: StudyName
    title: Text
    source: Text
    seeds: Sequence[Seed] | UntilDecided
    ablations: Sequence[Ablation] = ()
    searches: Sequence[Search] = ()
    sizes: Sequence[SizeTable] = ()
    is_on_request: bool = False
    left_out: Sequence[str] = ()
    profile: Profile | None = None
    priority: int = 0
    starts_from: Sequence[FoundBase] = ()
    paper_tables: Sequence[PaperTable] = ()
    venue: AskedVenue = "any"
    latex_packages: Sequence[LatexPackage] = ()
    accepts: AcceptedGaps = EMPTY

    def find_faults(self) -> Iterator[Fault]:
        """Find every fault."""
        of_rows = [
            search.name for search in self.row_searches
        ]  # which must be told from searches with a table
        yield from twice("table name", [*self.table_names, *of_rows])
        yield from twice("seed", map(str, self.all_seeds))
        others = [part.name for part in (*self.searches, *self.sizes, *self.paper_tables)]
        for table in self.paper_tables:
            for fault in table.table_faults(self.ablations_by_name, others):
                yield fault.below(f"paper table {table.name!r}")
        for ablation in self.ablations:
            if self._replaces_seed_of(ablation):
                yield Fault(
                    f"ablation {ablation.name!r}",
                    f"its base sets seed to {ablation.base.seed}, but every row is trained with the study's seeds, "
                    "which have no such one; leave it out of the base, or name it in seeds=…",
                )
        for search in self.searches:
            try:
                search_table(search, None, 0, "it has not begun")
            except Refusal as refusal:
                yield from (Fault(f"the table of search {search.name!r}", str(it)) for it in refusal.faults)
        yield from twice("package", self.latex_packages)
        if not self.all_seeds:
            yield Fault("seeds", "a study needs at least one seed")
        if not self.table_names:
            yield Fault("", "a study needs a table")

    def _replaces_seed_of(self, ablation: Ablation) -> bool:
        """Say whether a base names a seed that no row would have."""
        return ablation.base.seed not in self.all_seeds and ablation.base != without_own_seed(ablation.base)

    def with_seeds(self, seeds: Sequence[int]) -> Study:
        """Give the same study over other seeds, that of a base among those that are replaced."""
        ablations = [
            ablation
            if ablation.base.seed in seeds or ablation.base == without_own_seed(ablation.base)
            else replace(ablation, base=without_own_seed(ablation.base))
            for ablation in self.ablations
        ]
        return replace(self, seeds=tuple(seeds), ablations=ablations)

    def with_more_seeds(self, number: int) -> Study:
        """Give the same study over more seeds, which follow the greatest of its own.

        Rows of a study that adds seeds itself get so many more at first and at most.

        Raises:
            ValueError: there are no so great seeds.
        """
        if isinstance(self.seeds, UntilDecided):
            more = replace(self.seeds, first=self.seeds.first + number, most=self.seeds.most + number)
            return replace(self, seeds=more)
        next_seed = max(self.seeds) + 1
        if next_seed + number > SEED_LIMIT:
            raise ValueError(
                f"study {self.name}: seeds are below {SEED_LIMIT}, and {number} more would follow {next_seed - 1}; "
                "list other ones, such as --seeds 0,1,2"
            )
        return replace(self, seeds=(*self.seeds, *range(next_seed, next_seed + number)))

    def priority_of(self, part: Ablation | Search, row: Row | None = None) -> int:
        """Say which comes first: a row's own priority counts, or else that of its table, or else the study's."""
        own = (None if row is None else row.priority, part.priority, self.priority)
        return next(priority for priority in own if priority is not None)

    @property
    def all_searches(self) -> tuple[Search, ...]:
        """Every search that it makes: the declared ones, and those of rows that are tuned."""
        return (*self.searches, *self.row_searches)

    @property
    def row_searches(self) -> tuple[RowSearch, ...]:
        """The searches of rows that are tuned, which have no tables of their own."""
        return tuple(search for ablation in self.ablations for search in ablation.row_searches)

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The seeds that a row may get, in the order in which it gets them."""
        return self.seeds.all_seeds if isinstance(self.seeds, UntilDecided) else tuple(self.seeds)

    @property
    def num_first_seeds(self) -> int:
        """Count the seeds that every row gets."""
        return self.seeds.first if isinstance(self.seeds, UntilDecided) else len(self.seeds)

    @property
    def table_names(self) -> tuple[str, ...]:
        """Every table it declares, those of searches and of sizes and the paper's own among them."""
        parts = (*self.ablations, *self.searches, *self.sizes, *self.paper_tables)
        return tuple(part.name for part in parts)

    @property
    def ablations_by_name(self) -> Mapping[str, Ablation]:
        """Its ablations by name."""
        return {ablation.name: ablation for ablation in self.ablations}

    def with_tables(self, names: Collection[str]) -> Study:
        """Give the same study with some of its tables only.

        Raises:
            ValueError: one is no table of it, or none that is trained is left.
        """
        known = self.table_names
        if unknown := [name for name in names if name not in known]:
            raise ValueError(
                f"{self.name} has no table {', '.join(map(repr, unknown))}{guess(unknown[0], known)} It has "
                f"{', '.join(known)}; write {self.name}/TABLE"
            )
        names = {*names, *(name for table in self.paper_tables if table.name in names for name in table.of)}
        ablations = [ablation for ablation in self.ablations if ablation.name in names]
        kept = {ablation.name for ablation in ablations}
        # A table that is made of others is left out with the first of them.
        paper_tables = [table for table in self.paper_tables if kept.issuperset(table.of)]
        names |= {table.name for table in paper_tables}
        return replace(
            self,
            ablations=ablations,
            searches=[search for search in self.searches if search.name in names],
            sizes=[table for table in self.sizes if table.name in names],
            paper_tables=paper_tables,
            left_out=[*self.left_out, *(name for name in known if name not in names)],
        )

    @property
    def dataset_labels(self) -> tuple[str, ...]:
        """The data sets that head its tables' columns, each once."""
        tables = [dataset.label for ablation in self.ablations for dataset in ablation.datasets]
        return tuple(
            dict.fromkeys(
                [*tables, *(dataset.label for search in self.searches for dataset in search.datasets)]
            )
        )

    def with_datasets(self, labels: Collection[str]) -> Study | None:
        """Give the same study with the columns of some data sets only; None where no table is left."""
        kept = [table for ablation in self.ablations if (table := ablation.with_datasets(labels)) is not None]
        # A search whose mean is over others too would be another one without them.
        searches = [
            search for search in self.searches if all(dataset.label in labels for dataset in search.datasets)
        ]
        if not kept and not searches:
            return None
        after = {table.name: table for table in kept}
        cut = (table.with_columns_of(self.ablations_by_name, after) for table in self.paper_tables)
        paper_tables = [table for table in cut if table is not None]
        left = {table.name for table in (*kept, *searches, *paper_tables)}
        declared = (*self.ablations, *self.searches, *self.paper_tables)
        lost = [table.name for table in declared if table.name not in left]
        return replace(
            self,
            ablations=kept,
            searches=searches,
            paper_tables=paper_tables,
            left_out=[*self.left_out, *lost],
        )
