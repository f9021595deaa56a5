"""Fill a paper's tables: `python sweep.py mdpr_ablation`. Parses and calls what lies in `tablewright/command/`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from tablewright.command.asked import Asked, carry_out
from tablewright.command.exit_codes import EXIT_INCOMPLETE, EXIT_REFUSED
from tablewright.command.screen import errors, words_of
from tablewright.orchestrator.masked_streams import mask_streams
from tablewright.orchestrator.signals import DEFAULT_GRACE_S
from tablewright.orchestrator.variables import variable_of
from tablewright.reports.console import open_closed_streams

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def option(name: str, text: str, **more: Any) -> Any:
    """An option that can be given as an environment variable too."""
    return typer.Option(f"--{name}", help=text, envvar=variable_of(name), **more)


def whole_number(text: str) -> int:
    """Read an option that is a whole number."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"a whole number is needed, such as 4; got {text!r}") from None


def number(text: str) -> float:
    """Read an option that is a number."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"a number is needed, such as 1 or 0.5; got {text!r}") from None


def number_or_auto(text: str) -> float | str:
    """Read an option that is a number, or `auto`."""
    try:
        return text if text == "auto" else float(text)
    except ValueError:
        raise typer.BadParameter(
            f"a number is needed, such as 1 or 0.5, or the word auto; got {text!r}"
        ) from None


@app.command()
def main(
    studies: Annotated[
        list[str] | None,
        typer.Argument(help="STUDY or STUDY/TABLE to fill, or all; none lists them, init begins a project."),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be trained; train nothing.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Show what is done, runs where, waits for what, failed.")
    ] = False,
    report: Annotated[bool, typer.Option("--report", help="Write tables from the records alone.")] = False,
    keep_found: Annotated[
        bool,
        typer.Option(
            "--keep-found", help="Keep what searches found beside the studies, for best_of in another."
        ),
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="One step (of a function of yours an epoch) of each distinct config."),
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the whole store; list what is damaged.")
    ] = False,
    mirror: Annotated[
        bool,
        typer.Option("--mirror", help="Make MLflow and Optuna whole from the records alone; needs no study."),
    ] = False,
    agent: Annotated[
        bool,
        typer.Option(
            "--agent", help="Train one after another what nobody else has, without Ray; any number may."
        ),
    ] = False,
    replay: Annotated[
        bool,
        typer.Option(
            "--replay", help="Try samplers and pruners on a search's recorded curves; train nothing."
        ),
    ] = False,
    gc: Annotated[
        bool, typer.Option("--gc", help="Show what of the store no study needs; with --yes remove it.")
    ] = False,
    trainings: Annotated[
        bool, typer.Option("--trainings", help="With --gc: whole trainings and searches that no study names.")
    ] = False,
    images: Annotated[
        bool,
        typer.Option(
            "--images", help="With --gc: also images used within 30 days, which another project may need."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --gc: remove what it shows.")] = False,
    log: Annotated[
        str | None,
        typer.Option(
            "--log", metavar="ID", help="Print what a training printed, where it ran, why it failed."
        ),
    ] = None,
    cancel: Annotated[
        list[str] | None,
        typer.Option("--cancel", metavar="ID", help="End a training, wherever it runs; begin it no more."),
    ] = None,
    retry: Annotated[
        list[str] | None,
        typer.Option("--retry", metavar="ID", help="Try what failed or was cancelled again at once."),
    ] = None,
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option("--diff", metavar="ID ID", help="Say in what two trainings differ; needs no study."),
    ] = None,
    import_runs: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--import",
            metavar="SOURCE FILE",
            help="Copy runs of MLflow (URI#EXPERIMENT) or an export of W&B into a CSV file, to declare rows from.",
        ),
    ] = None,
    accept: Annotated[
        str | None,
        typer.Option("--accept", help="Why a changed default moves no number; kept, and printed in tables."),
    ] = None,
    profile: Annotated[
        str | None, option("profile", "demo or paper (default: paper with a data root, else demo)")
    ] = None,
    data_root: Annotated[str | None, option("data-root", "Folder that holds the data sets.")] = None,
    store: Annotated[str, option("store", "Folder or URL of records and tables.")] = "runs",
    cache_dir: Annotated[str, option("cache-dir", "Prepared images.")] = "~/.cache/tablewright",
    image_cache: Annotated[
        str, option("image-cache", "auto, decoded, encoded or files: how a machine keeps images")
    ] = "auto",
    address: Annotated[
        str | None, option("address", "Ray cluster (default: RAY_ADDRESS, else started here)")
    ] = None,
    tracking_uri: Annotated[
        str | None, option("tracking-uri", "MLflow, or none (default: in the store)")
    ] = None,
    search_storage: Annotated[
        str | None, option("search-storage", "Optuna's database (default: in the store)")
    ] = None,
    seeds: Annotated[str | None, option("seeds", "Such as 0,1,2, or +2: two beside the study's")] = None,
    gpus_per_training: Annotated[
        Any,
        option(
            "gpus-per-training",
            "2, 1, 0.5, 0 …, or auto: by its memory (default: 1 if there is any)",
            parser=number_or_auto,
            metavar="NUMBER|auto",
        ),
    ] = None,
    processes_per_training: Annotated[
        int | None,
        option("processes-per-training", "Side by side (default: 1, or one a whole GPU)", metavar="NUMBER"),
    ] = None,
    cpus_per_training: Annotated[
        float | None,
        option(
            "cpus-per-training",
            "Cores of one (default: a GPU's part of its machine; else 1)",
            parser=number,
            metavar="NUMBER",
        ),
    ] = None,
    local: Annotated[
        int | None,
        option(
            "local",
            "So many trainings at a time on this machine, without Ray: small ones start at once",
            parser=whole_number,
            metavar="NUMBER",
        ),
    ] = None,
    max_concurrent: Annotated[
        int | None,
        option(
            "max-concurrent",
            "Trainings at a time (default: what fits)",
            parser=whole_number,
            metavar="NUMBER",
        ),
    ] = None,
    checkpoint_minutes: Annotated[
        float | None,
        option(
            "checkpoint-minutes",
            "Between two checkpoints (default: as they cost, 0.5 to 10)",
            parser=number,
            metavar="NUMBER",
        ),
    ] = None,
    stall_minutes: Annotated[
        float | None,
        option(
            "stall-minutes",
            "End a training of which nothing is seen for so long; 0: none (default: by its own epochs)",
            parser=number,
            metavar="NUMBER",
        ),
    ] = None,
    max_gpu_hours: Annotated[
        float | None,
        option(
            "max-gpu-hours",
            "Begin no training once the studies' trainings have taken so many",
            parser=number,
            metavar="NUMBER",
        ),
    ] = None,
    max_cpu_hours: Annotated[
        float | None,
        option("max-cpu-hours", "The same of processors", parser=number, metavar="NUMBER"),
    ] = None,
    keep_checkpoints: Annotated[
        str, option("keep-checkpoints", "all, or none: weights go once all that is planned is measured")
    ] = "all",
    datasets: Annotated[
        str | None, option("datasets", "Columns to fill, such as Market-1501 (default: all)")
    ] = None,
    pdf: Annotated[
        bool, option("pdf", "With --report: each study as a PDF, with a rigour appendix (needs a TeX).")
    ] = False,
    paper: Annotated[
        str | None, option("paper", "With --report: a paper's main file; names the numbers typed into it.")
    ] = None,
    grace_s: Annotated[
        float,
        option("grace-s", "Seconds to save in, once told to end; then hard", parser=number, metavar="NUMBER"),
    ] = DEFAULT_GRACE_S,
) -> None:
    """Train what the studies' tables need and the store has not, then write and print the tables.

    Run the same command again to go on. Examples:

    python sweep.py mdpr_ablation --plan

    python sweep.py mdpr_ablation --profile paper --data-root ~/data
    """
    from tablewright.orchestrator.project.project import Project

    open_closed_streams()
    project = Project(Path.cwd())
    asked = Asked(
        plan=plan,
        status=status,
        report=report,
        keep_found=keep_found,
        check=check,
        verify=verify,
        mirror=mirror,
        agent=agent,
        replay=replay,
        gc=gc,
        log=log,
        cancel=tuple(cancel or ()),
        retry=tuple(retry or ()),
        diff=diff,
        import_runs=import_runs,
        takes_trainings=trainings,
        takes_images=images,
        removes=yes,
        accept=accept,
    )
    if studies and studies[0] == "init":
        from tablewright.command.first_project import begin

        raise typer.Exit(begin(studies[1:], asked.verbs))
    if not studies and not asked.needs_no_study:
        if asked.verbs:
            errors.print(Text("error: name a study, or all; the studies are:", style="red"))
        from tablewright.command.study_list import list_studies

        list_studies(project)
        raise typer.Exit(EXIT_REFUSED if asked.verbs else 0)
    from tablewright.orchestrator.settings import Settings, refuse_unknown_variables

    try:
        refuse_unknown_variables(os.environ)
        asked.refuse_contradictions(
            tuple(studies or ()),
            {"--seeds": seeds, "--datasets": datasets},
            {"--pdf": pdf, "--paper": paper is not None},
        )
        settings = Settings(
            studies=tuple(studies or ()),
            profile=profile,
            data_root=data_root,
            store=store,
            cache_dir=cache_dir,
            image_cache=image_cache,
            address=address,
            tracking_uri=tracking_uri,
            search_storage=search_storage,
            seeds=seeds,
            gpus_per_training=gpus_per_training,
            processes_per_training=processes_per_training,
            cpus_per_training=cpus_per_training,
            local=local,
            max_concurrent=max_concurrent,
            checkpoint_minutes=checkpoint_minutes,
            stall_minutes=stall_minutes,
            max_gpu_hours=max_gpu_hours,
            max_cpu_hours=max_cpu_hours,
            keep_checkpoints=keep_checkpoints,
            datasets=datasets,
            pdf=pdf,
            paper=paper,
            grace_s=grace_s,
            reads_records_alone=asked.reads_records_alone,
            project=project,
        )
        code = carry_out(asked, settings)
    except (ValueError, OSError) as error:
        errors.print(Text(f"error: {words_of(error)}", style="red"))
        code = EXIT_REFUSED
    raise typer.Exit(code)


def start() -> None:
    """Be the command: `tablewright` where it is installed, `python sweep.py` in a clone."""
    mask_streams()
    try:
        app()
    except OSError as error:  # the help or a word on a wrong option has met a full disc
        errors.print(Text(f"error: nothing could be printed: {error.strerror}", style="red"))
        raise SystemExit(EXIT_INCOMPLETE) from None


if __name__ == "__main__":
    start()
