"""The benchmark of searches: its peers are the real ones, and its tables can be made."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "benchmarks"))

from demo_curves import CURVES, EPOCHS, demo_curves  # noqa: E402
from learning_curves import function_curves  # noqa: E402
from search_peers import StockTune  # noqa: E402


@pytest.mark.slow
def test_a_short_form_of_the_benchmark_runs():
    """One seed: both ours and stock Tune's come within 1 % of Branin's best, and the table says so."""
    command = [sys.executable, "benchmarks/bench_search.py", "--seeds", "1", "--curves", "branin"]
    found = subprocess.run(
        [*command, "--methods", "TPE, Halving();reduction_factor", "--processes", "1"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (found.returncode, found.stderr)
    rows = [line.split(" | ") for line in found.stdout.splitlines() if " of 1 |" in line]
    assert ["| the same, reduction_factor=3", "| ours: TPE, Halving()"] == [row[0] for row in rows]
    assert ["1 of 1", "1 of 1"] == [row[2] for row in rows]


@pytest.mark.slow
def test_the_stock_rule_is_the_one_of_ray_tune():
    """After 1, 4 and 16 epochs a trial ends that is below the upper quarter of those before it, and at no other."""
    space = function_curves()["branin"].space
    peer = StockTune(space, 27, seed=0)
    generator = np.random.default_rng(0)
    seen: dict[int, list[float]] = {1: [], 4: [], 16: []}
    for number in range(40):
        assert number == peer.ask().number
        for epoch in range(1, 28):
            value = float(generator.uniform())
            goes_on = peer.report(number, epoch, value)
            is_cut = epoch in seen and bool(seen[epoch]) and value < np.percentile(seen[epoch], 75)
            if epoch in seen:
                seen[epoch].append(value)
            assert goes_on == (not is_cut and epoch < 27)
            if not goes_on:
                break


def test_best_scores_are_what_a_curve_can_reach():
    """The best known is reached at the known place, and by nothing else of many."""
    curves = function_curves()
    known = {
        "branin": {"x": np.pi, "y": 2.275, "rate": 0.03},
        "hartmann": dict(
            zip(
                curves["hartmann"].space,
                (0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573),
                strict=True,
            )
        ),
    }
    generator = np.random.default_rng(0)
    for name, params in known.items():
        assert pytest.approx(curves[name].best, abs=1e-4) == curves[name].final(params)
    for each in curves.values():
        for _ in range(200):
            drawn = {
                path: float(np.exp(generator.uniform(np.log(it.low), np.log(it.high))))
                if it.log
                else float(generator.uniform(it.low, it.high))
                for path, it in each.space.items()
            }
            assert each.final(drawn) <= each.best + 1e-9


@pytest.mark.slow
def test_recorded_curves_fill_the_spaces_of_their_searches():
    """Each is whole, lies in the space, and is small enough to ship."""
    for method, found in demo_curves().items():
        assert (CURVES / f"{method}.json").stat().st_size < 100_000
        assert len(found.curves) >= 20
        for curve in found.curves:
            assert EPOCHS == len(curve.scores)
            assert all(found.space[path].contains(value) for path, value in curve.params.items())
            assert curve.params == found.settle(curve.params)
