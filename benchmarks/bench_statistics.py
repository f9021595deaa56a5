"""Error rates and power of everything that a table claims, by simulation: marks, bold rows, seeds until decided.

A table has rows of the same deviation (0.4) unless the scenario says otherwise; a seed moves all rows alike and
accounts for 30 % of a row's variance; in a scenario of four columns these correlate by 0.5. `false` is the
share of tables of pure noise with any mark, `power` the share of tables in which a row that is better by four
deviations (1.6) is marked. A constant added to a row changes no residual, so that both come from the same tables.

Peers, in the same run: the paired t-test with Holm's correction in each column (what most people do), one residual
variance for the whole column, and the plain moderated t of Smyth (2004) on the differences from the reference.

    python benchmarks/bench_statistics.py [TABLES]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

from tablewright.orchestrator.declared.design import Cumulative, Factorial, LeaveOneOut, full_label
from tablewright.reports.statistics.best_rows import best_rows_of_tables
from tablewright.reports.statistics.comparison import (
    SIGNIFICANCE_LEVEL,
    ComparedTables,
    compare_tables,
    correct_p_values,
    two_sided_p_values,
)
from tablewright.reports.statistics.contrast_weights import contrast_weights
from tablewright.reports.statistics.seed_decision import decide_tables
from tablewright.reports.statistics.smallest_difference import smallest_differences

DEVIATION, EFFECT = 0.4, 1.6
NUM_TABLES = 2_000
NUM_AT_ONCE = 100


@dataclass(frozen=True)
class Scenario:
    """How the tables of one line of the benchmark come about.

    Attributes:
        rows: without the reference where there is one, else of the design.
        seeds: of every row.
        deviations: `equal`, `log-normal` (spread 0.35 in the logarithm), `noisy row` (the last, fourfold),
            `noisy middle row` or `noisy reference` (the first).
        design: what is compared.
        columns: all tested.
        shared: of a row's variance, that a seed gives to all rows alike.
        lost: chance that a row other than the reference lacks one of its seeds.
    """

    rows: int
    seeds: int
    deviations: str
    design: str = "reference"
    columns: int = 1
    shared: float = 0.3
    lost: float = 0.0

    @property
    def weights_KR(self) -> np.ndarray:
        """What a table of that design compares."""
        changes = {f"{number}": {} for number in range(self.rows)}
        if self.design == "reference":
            design = LeaveOneOut(changes)
        elif self.design == "row above":
            design = Cumulative({}, "start", changes)
        else:
            levels = {"off": {}, "on": {}}
            design = Factorial({f"factor {number}": levels for number in range(self.design.count("2"))})
        rows = list(design.rows())
        return contrast_weights([*design.contrasts(rows, lambda _: False)], [full_label(row) for row in rows])

    def draw(self, generator: np.random.Generator, num_tables: int) -> np.ndarray:
        """Draw tables of noise (B, C, R, N)."""
        num_rows = self.weights_KR.shape[1]
        deviation_BCR1 = np.full((num_tables, 1, num_rows, 1), DEVIATION)
        if self.deviations == "log-normal":
            deviation_BCR1 *= np.exp(generator.normal(0, 0.35, deviation_BCR1.shape))
        noisy = {"noisy reference": 0, "noisy middle row": num_rows // 2, "noisy row": num_rows - 1}
        if self.deviations in noisy:
            deviation_BCR1[:, :, noisy[self.deviations]] *= 4
        of_seed = self._columns(generator, (num_tables, 1, self.seeds))
        of_row = self._columns(generator, (num_tables, num_rows, self.seeds))
        noise_BCRN = np.sqrt(self.shared) * of_seed + np.sqrt(1 - self.shared) * of_row
        values_BCRN = noise_BCRN * deviation_BCR1
        if self.lost:
            shape_BCR = values_BCRN.shape[:3]
            loses_BCR = (generator.random(shape_BCR) < self.lost) & (np.arange(num_rows) > 0)
            is_lost_BCRN = generator.integers(self.seeds, size=shape_BCR)[..., None] == np.arange(self.seeds)
            values_BCRN[is_lost_BCRN & loses_BCR[..., None]] = np.nan
        return values_BCRN

    def _columns(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw standard normal numbers for each column, correlated by 0.5 where there are several."""
        own = generator.normal(size=(shape[0], self.columns, *shape[1:]))
        if self.columns == 1:
            return own
        return np.sqrt(0.5) * own + np.sqrt(0.5) * generator.normal(size=(shape[0], 1, *shape[1:]))

    def batches(self, num_tables: int) -> Iterator[np.ndarray]:
        """Draw the tables of one line, the same ones in every run."""
        generator = np.random.default_rng(0)
        for start in range(0, num_tables, NUM_AT_ONCE):
            yield self.draw(generator, min(NUM_AT_ONCE, num_tables - start))


# -- tests: tables (B, C, R, N) and an effect of the first comparison -> which comparisons are marked (B, C, K) ----


def ours(values_BCRN: np.ndarray, weights_KR: np.ndarray) -> Callable[[float], np.ndarray]:
    """Ours: variances judged together, Holm over the whole table."""
    compared = compare_tables(values_BCRN, weights_KR)

    def marks(effect: float) -> np.ndarray:
        return _corrected(compared, effect) < SIGNIFICANCE_LEVEL

    return marks


def _corrected(compared: ComparedTables, effect: float) -> np.ndarray:
    estimate_BCK = compared.estimate_BCK.copy()
    estimate_BCK[..., 0] += effect
    p_value_BCK = two_sided_p_values(estimate_BCK, compared.standard_error_BCK, compared.df_BCK, 0.0)
    corrected_BJ = correct_p_values(p_value_BCK.reshape(len(p_value_BCK), -1))
    return corrected_BJ.reshape(p_value_BCK.shape)


def paired_t(values_BCRN: np.ndarray, weights_KR: np.ndarray) -> Callable[[float], np.ndarray]:
    """Student's t of each comparison alone, Holm in each column."""
    sums_BCKN = weights_KR @ values_BCRN
    return _each_column(sums_BCKN, sums_BCKN.var(3, ddof=1), sums_BCKN.shape[3] - 1)


def pooled_t(values_BCRN: np.ndarray, weights_KR: np.ndarray) -> Callable[[float], np.ndarray]:
    """One residual variance for the whole column, seeds as blocks; Holm in each column."""
    num_rows, num_seeds = values_BCRN.shape[2:]
    residual_BCRN = values_BCRN - values_BCRN.mean(3, keepdims=True)
    residual_BCRN -= residual_BCRN.mean(2, keepdims=True)
    df = (num_rows - 1) * (num_seeds - 1)
    variance_BC1 = (residual_BCRN**2).sum((2, 3))[..., None] / df
    return _each_column(weights_KR @ values_BCRN, variance_BC1 * (weights_KR**2).sum(1), df)


def moderated_t(values_BCRN: np.ndarray, weights_KR: np.ndarray) -> Callable[[float], np.ndarray]:
    """The comparisons' variances drawn to one prior by moments of their logarithms (Smyth 2004, Sec. 6.2)."""
    sums_BCKN = weights_KR @ values_BCRN
    df = sums_BCKN.shape[3] - 1
    # Comparisons differ in the length of their weights; their variances are alike without it.
    length2_K = (weights_KR**2).sum(1)
    variance_BCK = sums_BCKN.var(3, ddof=1) / length2_K
    log_BCK = np.log(variance_BCK) - special.digamma(df / 2) + np.log(df / 2)
    excess_BC1 = log_BCK.var(2, ddof=1, keepdims=True) - special.polygamma(1, df / 2)
    y = 0.5 + 1 / np.maximum(excess_BC1, 1e-6)
    for _ in range(50):
        trigamma = special.polygamma(1, y)
        y = y + trigamma * (1 - trigamma / np.maximum(excess_BC1, 1e-6)) / special.polygamma(2, y)
    prior_df_BC1 = np.where(excess_BC1 > 0, 2 * y, 1e6)
    log_prior_BC1 = (
        log_BCK.mean(2, keepdims=True) + special.digamma(prior_df_BC1 / 2) - np.log(prior_df_BC1 / 2)
    )
    total_df_BC1 = prior_df_BC1 + df
    posterior_BCK = (prior_df_BC1 * np.exp(log_prior_BC1) + df * variance_BCK) / total_df_BC1 * length2_K
    return _each_column(sums_BCKN, posterior_BCK, np.minimum(total_df_BC1, len(weights_KR) * df))


def _each_column(
    sums_BCKN: np.ndarray, variance_BCK: np.ndarray, df: np.ndarray | float
) -> Callable[[float], np.ndarray]:
    def marks(effect: float) -> np.ndarray:
        estimate_BCK = sums_BCKN.mean(3)
        estimate_BCK[..., 0] += effect
        t_BCK = np.abs(estimate_BCK) / np.sqrt(variance_BCK / sums_BCKN.shape[3])
        corrected_XK = correct_p_values((2 * stats.t.sf(t_BCK, df)).reshape(-1, t_BCK.shape[2]))
        return corrected_XK.reshape(t_BCK.shape) < SIGNIFICANCE_LEVEL

    return marks


PEERS = {"paired t": paired_t, "pooled t": pooled_t, "moderated t": moderated_t}
DEVIATIONS = ("equal", "log-normal", "noisy row", "noisy reference")


def mark_scenarios() -> Iterator[tuple[str, Scenario]]:
    """Give what is compared in the first table, each with its label."""
    for rows in (3, 10, 20):
        for seeds in (3, 5):
            for deviations in DEVIATIONS:
                yield f"{rows} rows, {seeds} seeds, {deviations}", Scenario(rows, seeds, deviations)
    for deviations in DEVIATIONS:
        yield f"four columns, 10 rows, 3 seeds, {deviations}", Scenario(10, 3, deviations, columns=4)
    for shared in (0.0, 0.6):
        for deviations in DEVIATIONS:
            label = f"seeds account for {shared:.0%}, 10 rows, 3 seeds, {deviations}"
            yield label, Scenario(10, 3, deviations, shared=shared)
    for seeds, lost in ((5, 0.5), (3, 0.3)):
        for deviations in DEVIATIONS:
            label = f"a seed lost in {lost:.0%} of rows, 10 rows, {seeds} seeds, {deviations}"
            yield label, Scenario(10, seeds, deviations, lost=lost)
    for deviations in ("equal", "log-normal", "noisy row", "noisy middle row"):
        yield (
            f"each with the row above, 10 steps, 3 seeds, {deviations}",
            Scenario(10, 3, deviations, "row above"),
        )
    for design in ("2 x 2", "2 x 2 x 2"):
        for deviations in ("equal", "log-normal", "noisy row"):
            yield f"{design}, 3 seeds, {deviations}", Scenario(0, 3, deviations, design)


def print_marks(num_tables: int) -> None:
    """Print false tables and power of all tests."""
    tests = {"ours": ours, **PEERS}
    print("| tables | " + " | ".join(f"{name}: false, power" for name in tests) + " |")
    print("|:--|" + "--:|" * len(tests))
    for label, scenario in mark_scenarios():
        cells: list[str] = []
        for test in tests.values():
            if scenario.lost and test is not ours:
                cells.append("")
                continue
            false: list[np.ndarray] = []
            found: list[np.ndarray] = []
            for values_BCRN in scenario.batches(num_tables):
                marks = test(values_BCRN, scenario.weights_KR)
                false.append(marks(0.0).any((1, 2)))
                found.append(marks(EFFECT)[:, 0, 0])
            cells.append(f"{_percent(false, 1)}, {_percent(found)}")
        print(f"| {label} | {' | '.join(cells)} |", flush=True)


def _percent(hits: Sequence[np.ndarray], digits: int = 0) -> str:
    return f"{100 * np.concatenate(hits).mean():.{digits}f}"


# -- bold rows -----------------------------------------------------------------------------------


BOLD_SIZES = ((3, 3, 1), (10, 3, 1), (10, 5, 1), (20, 3, 1), (3, 3, 4), (10, 3, 4))


def print_best_rows(num_tables: int) -> None:
    """Print how often the truly best row is not bold, and how many rows are bold beside one that leads."""
    print(
        "| tables | best row not bold: all equal | others worse by 0.2 each | bold at a lead of 2 | 4 | 8 |"
    )
    print("|:--|--:|--:|--:|--:|--:|")
    for rows, seeds, columns in BOLD_SIZES:
        for deviations in DEVIATIONS:
            scenario = Scenario(rows, seeds, deviations, columns=columns)
            # The best row is the noisy one where there is one, which is the harder case.
            best = {"noisy row": rows, "noisy reference": 0}.get(deviations, 1)
            steps_R = -0.2 * DEVIATION * np.abs(np.arange(rows + 1) - best)
            cells = [_percent(_bold(scenario, num_tables, best, 0 * steps_R)[0], 1)]
            cells.append(_percent(_bold(scenario, num_tables // 2, best, steps_R)[0], 1))
            for lead in (2, 4, 8):
                means_R = lead * DEVIATION * (np.arange(rows + 1) == 1)
                cells.append(f"{np.concatenate(_bold(scenario, num_tables // 8, 1, means_R)[1]).mean():.1f}")
            label = f"{rows + 1} rows, {seeds} seeds, {deviations}{', four columns' * (columns > 1)}"
            print(f"| {label} | {' | '.join(cells)} |", flush=True)


def _bold(
    scenario: Scenario, num_tables: int, best: int, means_R: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Give for each table whether its best row is left out anywhere, and the mean number of bold rows."""
    left_out: list[np.ndarray] = []
    sizes: list[np.ndarray] = []
    for values_BCRN in scenario.batches(num_tables):
        is_bold_BCR = best_rows_of_tables(values_BCRN + means_R[:, None])
        left_out.append(~is_bold_BCR[..., best].all(1))
        sizes.append(is_bold_BCR.sum(2).mean(1))
    return left_out, sizes


# -- seeds until decided -------------------------------------------------------------------------

FIRST, MOST = 3, 10


def print_seed_decisions(num_tables: int) -> None:
    """Print errors and cost of adding seeds until a table is decided, beside fixed numbers of equal power."""
    print(
        f"| {FIRST} to {MOST} seeds, 10 rows and a reference | false | power | trainings | fixed seeds | trainings |"
    )
    print("|:--|--:|--:|--:|--:|--:|")
    for deviations in DEVIATIONS:
        false, _, cost = _sequential(Scenario(10, MOST, deviations), num_tables, 0, 0.0)
        print(f"| pure noise, {deviations} | {false:.1f} | | {cost:.0f} | | |", flush=True)
    for num_real in (1, 3):
        for effect in (1, 2, 4):
            scenario = Scenario(10, MOST, "equal")
            false, power, cost = _sequential(scenario, num_tables, num_real, effect * DEVIATION)
            seeds = _seeds_of_power(scenario, num_tables // 2, num_real, effect * DEVIATION, power)
            print(
                f"| {num_real} better by {effect} deviations | {false:.1f} | {power:.0f} | {cost:.0f} | {seeds:.1f} | "
                f"{11 * seeds:.0f} |",
                flush=True,
            )


def _sequential(
    scenario: Scenario, num_tables: int, num_real: int, effect: float
) -> tuple[float, float, float]:
    """Give false tables and found effects in per cent, and the mean number of trainings."""
    false: list[np.ndarray] = []
    found: list[np.ndarray] = []
    costs: list[np.ndarray] = []
    for values_BCRN in scenario.batches(num_tables):
        values_BCRN[:, :, 1 : 1 + num_real] += effect
        decided = decide_tables(values_BCRN, scenario.weights_KR, first=FIRST)
        is_marked_BK = decided.compared.corrected_p_value_BCK[:, 0] < SIGNIFICANCE_LEVEL
        false.append(is_marked_BK[:, num_real:].any(1))
        found.append(is_marked_BK[:, :num_real].ravel())
        costs.append(decided.num_seeds_BCR.sum((1, 2)))
    means = [
        float(np.concatenate(some).mean()) if num_real or some is not found else 0.0
        for some in (false, found, costs)
    ]
    return 100 * means[0], 100 * means[1], means[2]


def _seeds_of_power(scenario: Scenario, num_tables: int, num_real: int, effect: float, power: float) -> float:
    """Give the fixed number of seeds, between whole ones, that finds effects as often."""
    powers = [0.0]
    for seeds in range(FIRST, MOST + 1):
        found: list[np.ndarray] = []
        for values_BCRN in replace(scenario, seeds=seeds).batches(num_tables):
            values_BCRN[:, :, 1 : 1 + num_real] += effect
            compared = compare_tables(values_BCRN, scenario.weights_KR)
            found.append(compared.corrected_p_value_BCK[:, 0, :num_real].ravel() < SIGNIFICANCE_LEVEL)
        powers.append(100 * float(np.concatenate(found).mean()))
        if powers[-1] >= power:
            part = (power - powers[-2]) / (powers[-1] - powers[-2]) if seeds > FIRST else 1.0
            return seeds - 1 + part
    return float(MOST)


# -- views of one training -----------------------------------------------------------------------

VIEWED = np.array([0, 0, 0, 0, *range(1, 11)])
"""Training of each row: the reference and three more views of its training, then ten of their own."""
STEP = DEVIATION / 2
"""Of a coarse metric, such as Rank-1 of few queries."""


def print_views(num_tables: int) -> None:
    """Print errors and power where some rows are views of the reference's training."""
    print(
        "| three views beside the reference, ten other rows | false | among views alone | view found | other row found "
        "| best view not bold |"
    )
    print("|:--|--:|--:|--:|--:|--:|")
    rows = {f"{number}": {} for number in range(len(VIEWED) - 1)}
    design = LeaveOneOut(rows)
    made = list(design.rows())
    weights_KR = contrast_weights(
        [*design.contrasts(made, lambda _: False)], [full_label(row) for row in made]
    )
    for seeds in (3, 5):
        for correlation in (0.5, 0.9, 0.99):
            for step in (0.0, STEP):
                generator = np.random.default_rng(0)
                of_seed, shared, own = (
                    generator.normal(size=(num_tables, 1, size, seeds))
                    for size in (1, VIEWED.max() + 1, len(VIEWED))
                )
                of_row = np.sqrt(correlation) * shared[:, :, VIEWED] + np.sqrt(1 - correlation) * own
                values_BCRN = DEVIATION * (np.sqrt(0.3) * of_seed + np.sqrt(0.7) * of_row)
                apart = np.sqrt(
                    2 * 0.7 * (1 - correlation)
                )  # deviation of a difference of views, in those of a row
                raised_BCRN = values_BCRN.copy()
                raised_BCRN[:, :, 1] += EFFECT * apart
                raised_BCRN[:, :, -1] += EFFECT
                marks, raised_marks = (
                    compare_tables(
                        _in_steps(some, step), weights_KR, training_R=VIEWED
                    ).corrected_p_value_BCK[:, 0]
                    < SIGNIFICANCE_LEVEL
                    for some in (values_BCRN, raised_BCRN)
                )
                is_bold_BR = best_rows_of_tables(_in_steps(values_BCRN, step), training_R=VIEWED)[:, 0]
                cells = [
                    *(_percent([some.any(1)], 1) for some in (marks, marks[:, :3])),
                    *(_percent([raised_marks[:, place]]) for place in (0, -1)),
                    _percent([~is_bold_BR[:, 1]], 1),
                ]
                coarse = ", in steps" if step else ""
                print(
                    f"| {seeds} seeds, correlation {correlation}{coarse} | {' | '.join(cells)} |", flush=True
                )


def _in_steps(values_BCRN: np.ndarray, step: float) -> np.ndarray:
    return np.round(values_BCRN / step) * step if step else values_BCRN


# -- smallest difference -------------------------------------------------------------------------


def print_smallest_differences(num_tables: int) -> None:
    """Print what is announced before training, and its power in tables that are then made."""
    print("| tables | found with 80 % power, in deviations | power by simulation |")
    print("|:--|--:|--:|")
    for rows, columns in ((1, 1), (3, 1), (10, 1), (10, 4), (20, 1)):
        for seeds in (3, 5):
            scenario = Scenario(rows, seeds, "equal", columns=columns)
            difference = smallest_differences(
                scenario.weights_KR,
                num_seeds=seeds,
                deviation_R=DEVIATION,
                shared=scenario.shared,
                num_columns=columns,
            )[0]
            found = [
                ours(values_BCRN, scenario.weights_KR)(difference)[:, 0, 0]
                for values_BCRN in scenario.batches(num_tables)
            ]
            label = f"{rows} rows and a reference, {seeds} seeds{', four columns' * (columns > 1)}"
            print(f"| {label} | {difference / DEVIATION:.2f} | {_percent(found)} |", flush=True)


def main(num_tables: int) -> None:
    """Print every table, and how long each took."""
    for print_table in (
        print_marks,
        print_best_rows,
        print_seed_decisions,
        print_views,
        print_smallest_differences,
    ):
        started_s = time.perf_counter()
        print_table(num_tables)
        print(f"\n({num_tables:,} tables a scenario, {time.perf_counter() - started_s:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else NUM_TABLES)
