"""A replayed search as a page of Markdown and a figure of regret against budget."""

from __future__ import annotations

import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.searches.replay import NUM_WORKERS, Replay
from tablewright.orchestrator.store.store import Store
from tablewright.reports.figures.canvas import COLOURS, DPI
from tablewright.reports.figures.curves import OPACITY
from tablewright.reports.figures.row_styles import LINE_STYLES
from tablewright.reports.table_files import folder_of_studies

REPLAYS = "replays"
WIDTH_IN, HEIGHT_IN, BAND_OPACITY = 6.4, 3.6, 0.08


def replay_rows(replayed: Replay) -> list[tuple[str, str, str, str]]:
    """Give a line for each way: its name, epochs to the best, seeds that got there, regret at a half of the budget."""
    rows: list[tuple[str, str, str, str]] = []
    for way in replayed.ways:
        median, low, high = way.epochs
        budgets = sorted(way.regrets)
        mean, from_, to = way.regrets[budgets[len(budgets) // 2]]
        rows.append(
            (
                f"{way.name} (declared)" if way.is_declared else way.name,
                f"{median:,.0f} ({low:,.0f}–{high:,.0f})",
                f"{way.num_reached} of {replayed.num_seeds}",
                f"{mean:.4f} ({from_:.4f}–{to:.4f})",
            )
        )
    return rows


def replay_heads(replayed: Replay) -> tuple[str, str, str, str]:
    """Name the columns of `replay_rows`."""
    budgets = sorted(replayed.ways[0].regrets)
    return (
        "sampler, pruner",
        "epochs to within 1 % of the best (95 %)",
        "seeds",
        f"regret after {budgets[len(budgets) // 2]:,} epochs (10–90 %)",
    )


def replay_note(replayed: Replay) -> str:
    """Say what the table rests on."""
    left_out = (
        f" {replayed.num_unfinished} trainings that were left early have no end, and answer nothing."
        if replayed.num_unfinished
        else ""
    )
    return (
        f"{NUM_WORKERS} workers over {replayed.num_curves} recorded curves of {replayed.num_epochs} epochs, "
        f"{replayed.num_seeds} seeds each. A suggestion is answered by the nearest recorded parameters, so that ways "
        f"that differ by less than chance are alike.{left_out} {replayed.trained_s:,.0f} s of training replayed in "
        f"{replayed.replayed_s:.1f} s: {replayed.times_faster:,.0f} times faster."
    )


def replay_markdown(replayed: Replay, figure_name: str) -> str:
    """Give the page."""
    lines = [" | ".join(row) for row in (replay_heads(replayed), (":--", "--:", "--:", "--:"))]
    lines += [" | ".join(row) for row in replay_rows(replayed)]
    table = "\n".join(f"| {line} |" for line in lines)
    return (
        f"# Replay of {replayed.search}\n\n{table}\n\n{replay_note(replayed)}\n\n![Regret]({figure_name})\n"
    )


def replay_figure(replayed: Replay) -> bytes:
    """Draw the mean regret of each way against the epochs of all workers, with its band over seeds, as a PNG."""
    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for way, colour, style in zip(replayed.ways, COLOURS, LINE_STYLES * 2, strict=False):
        epochs = sorted(way.regrets)
        means, lows, highs = zip(*(way.regrets[number] for number in epochs), strict=True)
        axes.plot(epochs, means, color=colour, linestyle=style, alpha=OPACITY, label=way.name)
        axes.fill_between(epochs, lows, highs, color=colour, alpha=BAND_OPACITY, linewidth=0)
    axes.set_xlabel("epochs of all workers")
    axes.set_ylabel("regret of the incumbent")
    shown = [mean for way in replayed.ways for mean, _, _ in list(way.regrets.values())[1:]]
    axes.set_ylim(0, max(shown) * 1.1 or 1)
    axes.legend(fontsize="small", frameon=False)
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=DPI)
    return written.getvalue()


def write_replay(replayed: Replay, study: Study, store: Store) -> str:
    """Write the page and its figure beside the tables of the study; gives the page's path or URL."""
    folder = store.root / f"{folder_of_studies(study)}/{study.name}/{REPLAYS}"
    folder.write(f"{replayed.search}.png", replay_figure(replayed))
    folder.write(f"{replayed.search}.md", replay_markdown(replayed, f"{replayed.search}.png").encode())
    return f"{folder.url}/{replayed.search}.md"
