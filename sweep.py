"""Fill a paper's tables: `python sweep.py mdpr_ablation`. Parses, calls, prints; no logic."""

from __future__ import annotations

import gc as gc_module  # `gc` is an option
import os
import shlex
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tablewright.orchestrator.masked_streams import mask_streams
from tablewright.orchestrator.project import Project
from tablewright.orchestrator.settings import Settings, refuse_unknown_variables, variable_of
from tablewright.orchestrator.signals import DEFAULT_GRACE_S, EXIT_STOPPED
from tablewright.orchestrator.supervisor import supervise
from tablewright.reports.console import how_it_prints, loses_styles, make_console, open_closed_streams
from tablewright.trainables.value.counted import counted

if TYPE_CHECKING:
    from tablewright.orchestrator.finding import FoundTraining
    from tablewright.orchestrator.live_status import LiveStatus
    from tablewright.orchestrator.plan import Plan
    from tablewright.orchestrator.progress import SweepProgress
    from tablewright.orchestrator.run import Backend, SweepResult
    from tablewright.orchestrator.status import TrainingStatus
    from tablewright.orchestrator.store.store import Store
    from tablewright.orchestrator.study import Study
    from tablewright.orchestrator.supervisor import Link
    from tablewright.orchestrator.trial import Listener, Outcome, Work
    from tablewright.orchestrator.trial import Progress as EpochProgress
    from tablewright.reports.foresight import Foresight
    from tablewright.reports.paper_files import PaperFiles
    from tablewright.reports.table_files import WrittenTables
    from tablewright.trainables.contract.method import TrainingConfig

console, errors = make_console("stdout"), make_console("stderr")
app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

EXIT_INCOMPLETE, EXIT_REFUSED = 1, 2
UNUSABLE = ("weights gone", "damaged", "changed")
"""States of records that a person has to put right."""
MAX_RUNNING_SHOWN, MAX_TABLES_NAMED = 12, 8
OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Of a report, which makes many and leaves few: at Python's 700 a fifth of its time goes into looking for them."""


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
    seeds: Annotated[str | None, option("seeds", "Such as 0,1,2 (default: the study's)")] = None,
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
    open_closed_streams()
    project = Project(Path.cwd())
    verbs = {
        "--plan": plan,
        "--status": status,
        "--report": report,
        "--keep-found": keep_found,
        "--check": check,
        "--verify": verify,
        "--mirror": mirror,
        "--agent": agent,
        "--replay": replay,
        "--gc": gc,
    }
    of_one = {"--log": [log] if log is not None else [], "--cancel": cancel or [], "--retry": retry or []}
    named = {
        "--diff": diff is not None,
        "--import": import_runs is not None,
        **{name: bool(ids) for name, ids in of_one.items()},
    }
    given = [name for name, is_given in {**verbs, **named}.items() if is_given]
    if studies and studies[0] == "init":
        raise typer.Exit(begin(studies[1:], given))
    if not studies and not verify and not mirror and not gc and not any(named.values()):
        if given:
            errors.print(Text("error: name a study, or all; the studies are:", style="red"))
        list_studies(project)
        if given:
            raise typer.Exit(EXIT_REFUSED)
        return
    try:
        refuse_unknown_variables(os.environ)
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given together; give one of them")
        if accept is not None and given and given != ["--report"]:
            raise ValueError(
                f"--accept is for a run or a --report, not for {given[0]}; leave one of them out"
            )
        if (pdf or paper is not None) and given != ["--report"]:
            which = "--pdf" if pdf else "--paper"
            raise ValueError(f"{which} goes with --report, which makes files of what is recorded; add it")
        if diff is not None and studies:
            raise ValueError(
                f"--diff compares two recorded trainings and takes no study; leave {studies[0]} out"
            )
        if import_runs is not None and studies:
            raise ValueError(f"--import copies runs and takes no study; leave {studies[0]} out")
        refuse_beside_gc(
            gc, {"--trainings": trainings, "--yes": yes}, studies, {"--seeds": seeds, "--datasets": datasets}
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
            reads_records_alone=status
            or report
            or keep_found
            or verify
            or mirror
            or replay
            or gc
            or any(named.values()),
            project=project,
        )
        verb = {
            "--plan": show_plan,
            "--status": show_status,
            "--report": write_report,
            "--keep-found": keep_what_was_found,
            "--check": run_checks,
            "--verify": verify_all,
            "--mirror": mirror_all,
            "--agent": run_agent,
            "--replay": replay_searches,
        }.get("".join(given))

        def on_studies(chosen: Callable[[Settings, Sequence[Study]], int]) -> int:
            settings.prices()  # what is wrong with them is told before anything trains
            declared = settings.load_studies()
            if settings.is_demo_by_default(declared) and not settings.reads_records_alone:
                console.print("No data root given: running the demo profile on the embedded demo images.")
            if accept is not None:
                accept_changes(settings, declared, accept)
            return chosen(settings, declared)

        if import_runs is not None:
            code = import_foreign_runs(*import_runs)
        elif diff is not None:
            code = show_differences(settings, *diff)
        elif ids := of_one.get("".join(given)):
            code = {"--log": print_log, "--cancel": cancel_trainings, "--retry": retry_trainings}[given[0]](
                settings, ids
            )
        elif gc:
            code = collect_garbage(settings, takes_trainings=trainings, removes=yes)
        elif verb is not None:
            code = on_studies(verb)
        else:  # nothing is loaded yet: what watches over the sweep stays small
            code = supervise(
                lambda watcher: on_studies(partial(run, watcher=watcher)),
                report=lambda: on_studies(write_report),
                say=lambda text: errors.print(Text(text, style="red")),
                grace_s=grace_s,
            )
    except (ValueError, OSError) as error:
        errors.print(Text(f"error: {words_of(error)}", style="red"))
        code = EXIT_REFUSED
    raise typer.Exit(code)


def begin(folders: Sequence[str], verbs: Sequence[str]) -> int:
    """`init`: a first project, in the current folder or the one that is named."""
    from tablewright.orchestrator.first_project import begin_project

    folder = Path(folders[0]).expanduser() if folders else Path()
    try:
        if len(folders) > 1 or verbs or not all(folders):
            raise ValueError(
                f"init takes the name of one folder, or nothing; got {', '.join([*map(repr, folders), *verbs])}"
            )
        written = begin_project(folder)
    except ValueError as error:
        errors.print(Text(f"error: {error}", style="red"))
        return EXIT_REFUSED
    for path in written:
        console.print(f"wrote {path}")
    if all(path.name != ".gitignore" for path in written):
        console.print("There is a .gitignore already: add /runs/ to it, in which results lie.")
    console.print("\nNext, its plan and its tables (a minute):\n")
    enter = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    for line in (f"{enter}tablewright spirals --plan", "tablewright spirals"):
        console.print(f"    {line}")
    console.print("\nThen make it yours: the fields of its config, its rows, its function.")
    return 0


def list_studies(project: Project) -> None:
    """No study at all: what there is."""
    from tablewright.orchestrator.study_files import elsewhere, find_study_files

    files = find_study_files(project)
    if not project.has_studies and not project.is_ours:
        console.print(f"{elsewhere(project)} `init` begins a project.")
    is_mixed = len({file.is_built_in for file in files}) > 1
    for is_built_in, head in ((False, f"in {project.studies_folder}"), (True, "built in")):
        if is_mixed:
            console.print(Text(head, style="italic"))
        for file in files:
            if file.is_built_in == is_built_in:
                console.print(Text(f"{file.name:24} ", style="bold") + Text(file.title))


def words_of(error: ValueError | OSError) -> str:
    """What an error says, without the number that the system has for it where the sentence is ours."""
    is_ours = isinstance(error, OSError) and error.filename is None and error.strerror is not None
    return str(error.strerror) if is_ours else str(error)


def existing_store(settings: Settings) -> Store:
    """Open the store to read it, as it is now; says where it was looked for when there is none."""
    store = settings.open_store().listed()
    if not store.is_there:
        console.print(f"There is no store at {store.url} yet: nothing is recorded.")
    if store.fault:
        errors.print(Text(f"warning: {store.fault}", style="red"))
    return store


def recorded_plan(
    settings: Settings,
    studies: Sequence[Study],
    store: Store,
    on_machine: Callable[[TrainingConfig], None] = lambda config: None,
) -> Plan:
    """The plan as the last sweep had it, with what searches have found; no data set need be there."""
    from tablewright.orchestrator.planning import plan_as_recorded
    from tablewright.reports.seed_growth import seeds_until_decided

    return plan_as_recorded(studies, store, settings.runtime(), seeds_until_decided, on_machine)


# -- the verbs, each giving an exit code -----------------------------------------------------------


def show_plan(settings: Settings, studies: Sequence[Study]) -> int:
    """`--plan`."""
    from tablewright.orchestrator.planned_memory import memory_of_plan
    from tablewright.orchestrator.planning import plan_with_data
    from tablewright.orchestrator.status import read_status
    from tablewright.orchestrator.study import UntilDecided
    from tablewright.reports.foresight import foresee
    from tablewright.reports.seed_growth import seeds_at_most, seeds_until_decided

    store = existing_store(settings)
    plan = plan_with_data(studies, store, settings.runtime(), seeds_until_decided)
    may_grow = any(isinstance(study.seeds, UntilDecided) for study in studies)
    largest = plan_with_data(studies, store, settings.runtime(), seeds_at_most) if may_grow else plan
    statuses = read_status(plan, store)
    statuses_at_most = read_status(largest, store) if may_grow else statuses
    by_training = {item.training.training_id: item for item in statuses}
    grid = Table("table", "cells", "unique trainings", "recorded", box=None, header_style="bold")
    cells_of: dict[tuple[str, str], list[str]] = {place: [] for place in plan.tables}
    for cell in plan.cells:
        cells_of[cell.study, cell.table].append(cell.training_id)
    for (study, table), cells in cells_of.items():
        unique = set(cells)
        recorded = sum(by_training[identity].state == "done" for identity in unique)
        grid.add_row(f"{study}/{table}", str(len(cells)), str(len(unique)), str(recorded))
    console.print(grid)
    print_searches(plan)
    print_source_changes(plan, store)
    states = Counter(item.state for item in statuses)
    what = f"; {describe(states)}" if states else ""
    console.print(
        f"{counted(len(plan.cells), 'cell')} from {counted(len(plan.trainings), 'training')}{what}."
    )
    if plan.num_further_views or plan.num_equal_cells:
        console.print(
            f"Of these cells {plan.num_further_views} are a further view of a training that another cell has, and "
            f"{plan.num_equal_cells} equal another cell: the same training in the same view."
        )
    if len(largest.trainings) > len(plan.trainings):
        console.print(
            f"Seeds are added while comparisons are open: at most {counted(len(largest.cells), 'cell')} from "
            f"{counted(len(largest.trainings), 'training')}."
        )
    print_outlook(plan, statuses, store, settings)
    if len(largest.trainings) > len(plan.trainings):
        console.print("With all seeds that may be added:")
        print_outlook(largest, statuses_at_most, store, settings)
    if settings.may_use_gpus:
        for memory in memory_of_plan(plan, store, settings.cache_dir):
            console.print(Text(f"Memory: {memory}."))
    print_foresights(foresee(plan, store))
    data = [item.data for item in plan.trainings.values()]
    data += [view.data for item in plan.trainings.values() for view in item.views.values()]
    for warning in dict.fromkeys(warning for facts in data for warning in facts.warnings):
        console.print(Text("warning ", style="yellow") + Text(warning))
    print_refused(statuses)
    return EXIT_INCOMPLETE if any(item.state in UNUSABLE for item in statuses) else 0


def print_foresights(foresights: Sequence[Foresight]) -> None:
    """The smallest difference that each table can find in four cases of five."""
    for foresight in foresights:
        if foresight.found:
            console.print(Text(f"{foresight}."))
    unknown = [item.table for item in foresights if not item.found]
    if unknown:
        which = ", ".join(unknown) if len(unknown) <= MAX_TABLES_NAMED else f"{len(unknown)} tables"
        console.print(
            Text(
                f"How small a difference can be found is unknown for {which}: no row has two seeds recorded, and no "
                "deviation over seeds is declared (Ablation(deviation={…}))."
            )
        )


def print_searches(plan: Plan) -> None:
    """A line for each search."""
    for study, search, state in plan.searched():
        console.print(Text(f"{study.name}/{search.label}: a search, {state}"))
    if plan.num_waiting_cells:
        cells = counted(plan.num_waiting_cells, "further cell")
        console.print(f"{cells} of tuned rows will be planned once the searches of these rows have ended.")


def print_refused(statuses: Sequence[TrainingStatus]) -> None:
    """What is wrong with records, each once."""
    for message in dict.fromkeys(item.message for item in statuses if item.state in UNUSABLE):
        errors.print(Text(f"refused: {message}", style="red"))


def describe(states: Counter[Any]) -> str:
    """Counts by state in one line."""
    return ", ".join(f"{number} {state}" for state, number in states.items())


def show_status(settings: Settings, studies: Sequence[Study]) -> int:
    """`--status`."""
    from tablewright.orchestrator.live_status import read_live
    from tablewright.orchestrator.status import read_status

    store = existing_store(settings)
    plan = recorded_plan(settings, studies, store)
    statuses = read_status(plan, store)
    live = read_live(store, {study.name for study in studies}, plan.trainings.keys())
    grid = Table("training", "state", "epoch", "what", box=None, header_style="bold")
    for item in statuses:
        state = live.state_of(item)
        style = {"done": "green", "started": "yellow", "running": "yellow"}.get(state, "")
        style = "red" if state in ("failed", "cancelled", *UNUSABLE) else style
        epoch = f"{item.epoch}/{item.epochs_in_all}"
        what = Text(item.training.label) + Text(f"\n{item.message}" if item.message else "", style="red")
        for warning in item.warnings:
            what += Text(f"\nwarning: {warning}", style="yellow")
        identity = item.training.training_id
        kind = f" ({item.fault_kind})" if item.fault_kind else ""
        grid.add_row(identity[:8], Text(f"{state}{kind}", style=style), epoch, what)
    console.print(grid)
    print_searches(plan)
    failed = [identity for state in plan.searches.values() for identity in state.failed_ids]
    for identity in failed:
        message = store.training(identity).failure_message()
        if message is not None:
            console.print(Text(f"{identity[:8]} failed: {message}", style="red"))
    print_live(live, statuses)
    console.print(describe(Counter(map(live.state_of, statuses))))
    print_costs(plan, store, settings)
    print_outlook(plan, statuses, store, settings)
    for environment in dict.fromkeys(
        tuple(item.environment.items()) for item in statuses if item.environment
    ):
        facts = ", ".join(f"{name} {value}" for name, value in environment)
        console.print(Text(f"the digits depend, beside the seed, on: {facts}"))
    is_bad = any(item.state in ("failed", "cancelled", *UNUSABLE) for item in statuses)
    is_bad = is_bad or any(state.has_given_up for state in plan.searches.values())
    return EXIT_INCOMPLETE if failed or is_bad else 0


def print_live(live: LiveStatus, statuses: Sequence[TrainingStatus]) -> None:
    """What runs where, a line each, and what the rest waits for."""
    from tablewright.orchestrator.live_status import in_words
    from tablewright.orchestrator.status import UNFINISHED

    if live.trainings:
        grid = Table(box=None, header_style="bold")
        of_several = ("by",) if len(live.sweeps) > 1 else ()
        for head in (
            "running",
            "where",
            *of_several,
            "for",
            "epoch",
            "left",
            "memory",
            "sign of life",
            "what",
        ):
            grid.add_column(head)
        for item in live.trainings:
            each = "" if item.epoch_s is None else f" ({item.epoch_s:.3g} s each)"
            grid.add_row(
                item.training_id[:8],
                Text(item.where),
                *(Text("" if item.sign is None else item.sign.started_by) for _ in of_several),
                "" if item.runs_since_s is None else in_words(item.runs_since_s),
                f"{item.epoch}/{item.num_epochs}{each}" if item.num_epochs else "the first",
                "" if item.left_s is None else in_words(item.left_s),
                item.memory,
                Text(item.signed, style="red" if item.is_dead else ""),
                Text("" if item.sign is None else item.sign.label),
            )
        console.print(grid)
    for sweep in live.sweeps:
        console.print(Text(str(sweep)))
        for sentence in sweep.sign.waits_for if sweep.is_alive else ():
            console.print(Text(f"    {sentence}", style="yellow"))
        for name, url in (sweep.sign.links or {}).items() if sweep.is_alive else ():
            console.print(Text(f"    {name}: {url}"))
    num_left = sum(item.state in UNFINISHED for item in statuses)
    if num_left and not any(sweep.is_alive for sweep in live.sweeps) and not live.living_ids:
        console.print(f"No sweep or agent runs; left to the next one: {counted(num_left, 'training')}.")
    elif live.trainings or live.num_others:
        console.print(f"{live.in_words}.")


def print_costs(plan: Plan, store: Store, settings: Settings) -> None:
    """What the trainings of a plan have cost so far, where any has."""
    from tablewright.orchestrator.cost import cost_sheet
    from tablewright.reports.cost_table import build_cost_table

    prices = settings.prices()
    sheet = cost_sheet(plan, store, prices)
    if not sheet.num_trainings:
        return
    costs = build_cost_table(sheet, prices)
    grid = Table(*costs.head, box=None, header_style="bold")
    for column in grid.columns[1:]:
        column.justify = "right"
    for heading, rows in costs.groups:
        grid.add_row(Text(heading, style="italic"))
        for text, *figures in rows:
            grid.add_row(Text(f"  {text}"), *map(Text, figures))
    console.print(grid)
    for note in costs.notes:
        console.print(Text(note, style="dim"))


def print_outlook(plan: Plan, statuses: Sequence[TrainingStatus], store: Store, settings: Settings) -> None:
    """What is left of a plan will cost, and whether the store has room for it."""
    from tablewright.orchestrator.counted_work import CountedWork
    from tablewright.orchestrator.outlook import Machines, look_ahead, room_for_checkpoints
    from tablewright.reports.outlook_text import outlook_lines, room_lines, room_warning

    count, prices = CountedWork(settings.runtime().cache_dir), settings.prices()
    machines = Machines.expected(prices, is_elsewhere=settings.trains_elsewhere)
    lines = outlook_lines(
        look_ahead(statuses, count, machines),
        prices,
        max_concurrent=settings.max_concurrent,
        without=[
            *(["what searches will train"] if plan.unfilled_searches else []),
            *(["the rows that wait for them"] if plan.num_waiting_cells else []),
        ],
    )
    room = room_for_checkpoints(statuses, store, count)
    for line in (*lines, *room_lines(room, keeps_weights=settings.keeps_weights)):
        console.print(Text(line))
    if warning := room_warning(room):
        console.print(Text("warning ", style="yellow") + Text(warning))


def write_report(settings: Settings, studies: Sequence[Study]) -> int:
    """`--report`: what the last one said, where nothing has changed since."""
    from tablewright.orchestrator.last_report import ReportMemory, witnessed

    gc_module.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    store = existing_store(settings)
    if not store.is_there or store.fault or settings.paper is not None:  # a paper is read anew each time
        return make_report(settings, studies, store)
    asked = [repr(settings), repr(settings.prices()), repr(how_it_prints(console))]
    memory = ReportMemory(store, studies, asked)
    if (last := memory.unchanged()) is not None:
        console.file.write(last.printed)
        return last.exit_code
    with witnessed() as witness, console.capture() as printed, errors.capture() as told:
        code = make_report(settings, studies, store, lambda _: witness.ask_machine())
    console.file.write(printed.get())
    errors.file.write(told.get())
    if not told.get():
        memory.remember(witness, code, printed.get())
    return code


def make_report(
    settings: Settings,
    studies: Sequence[Study],
    store: Store,
    on_machine: Callable[[TrainingConfig], None] = lambda config: None,
) -> int:
    """Write the tables and print them."""
    from tablewright.orchestrator.planning import is_complete
    from tablewright.orchestrator.status import read_status
    from tablewright.reports.cost_table import write_costs
    from tablewright.reports.paper_files import PaperFiles
    from tablewright.reports.table_files import write_tables

    prices = settings.prices()
    plan = recorded_plan(settings, studies, store, on_machine)
    unwritten, beside = "", PaperFiles()
    try:
        written = write_tables(plan, store, keeps_fuller=True)
        write_costs(plan, store, prices)
        beside = write_beside_tables(plan, store, written, settings)
    except OSError as error:  # a store that may be read alone is shown all the same
        unwritten = words_of(error)
        written = write_tables(plan, store, writes=False)
    print_tables(written)
    print_what_tex_says(written, settings)
    print_paper_files(beside)
    if settings.paper is not None:
        print_typed_numbers(settings.paper, plan, store, written)
    if unwritten:
        errors.print(Text(f"error: not every file of the tables was written: {unwritten}", style="red"))
    statuses = read_status(plan, store)
    print_refused(statuses)
    is_whole = not unwritten and not written.refusals and not any(table.emptied for table in written.tables)
    return 0 if is_whole and is_complete(plan, statuses) else EXIT_INCOMPLETE


def write_beside_tables(plan: Plan, store: Store, written: WrittenTables, settings: Settings) -> PaperFiles:
    """Write numbers, configs, audit, reproduction and reports."""
    from tablewright.reports.paper_files import write_paper_files

    return write_paper_files(
        plan, store, written, makes_reports=settings.pdf, are_all_studies=settings.studies == ("all",)
    )


def print_paper_files(beside: PaperFiles) -> None:
    """Say what the audits have found, and where the reports are."""
    from tablewright.reports.audit_page import audit_line

    for study, findings in beside.findings.items():
        where = f": {beside.audit_urls[study]}" if study in beside.audit_urls else ""
        console.print(Text(f"audit of {study}: {audit_line(findings)}{where}"))
    for url in beside.report_urls:
        console.print(Text(f"report: {url}"))
    for remark in beside.remarks:
        errors.print(Text(f"warning: {remark}", style="yellow"))


def print_typed_numbers(paper: str, plan: Plan, store: Store, written: WrittenTables) -> None:
    """Name the numbers that a paper's text has typed."""
    from tablewright.reports.paper_text import typed_numbers

    tables = [item.table for item in written.tables]
    found = typed_numbers(Path(paper).expanduser(), plan, tables, store.root.local_path)
    for one in found:
        console.print(Text(str(one)))
    untold = sum(not one.command for one in found)
    console.print(f"{paper}: {counted(len(found), 'typed number')}, {untold} of which no table gives.")


def keep_what_was_found(settings: Settings, studies: Sequence[Study]) -> int:
    """`--keep-found`."""
    from tablewright.orchestrator.found_config import keep_found
    from tablewright.orchestrator.found_of_plan import found_of_plan, studies_folder_of

    folder, store = studies_folder_of(settings.project), existing_store(settings)
    plan = recorded_plan(settings, studies, store)
    num_lacking = 0
    for study, search, found in found_of_plan(plan, store):
        if found is None:
            num_lacking += 1
            state = plan.searches[study, search]
            errors.print(
                Text(
                    f"search {study}/{search} has no best yet, so that nothing is kept: {state}", style="red"
                )
            )
        else:
            path = keep_found(found, folder)
            console.print(f"kept {path}; commit it, and begin from it with best_of({study!r}, {search!r})")
    return EXIT_INCOMPLETE if num_lacking else 0


def verify_all(settings: Settings, studies: Sequence[Study]) -> int:
    """`--verify`."""
    from tablewright.orchestrator.study_files import import_studies
    from tablewright.orchestrator.verify import verify_store

    store = existing_store(settings)
    plan = recorded_plan(settings, studies, store) if studies else None
    import_studies(settings.project)  # whose methods know what the recorded views mean
    found = verify_store(store, plan)
    for fault in found.faults:
        errors.print(Text(f"fault: {fault}", style="red"))
    older = (
        f", {found.num_without_checksums} of them older than checksums" if found.num_without_checksums else ""
    )
    console.print(
        f"Read {found.num_trainings} trainings ({found.num_records} finished{older}), {found.num_measurements} "
        f"measurements and {found.num_suggestions} suggestions of searches: {len(found.faults) or 'no'} faults."
    )
    if found.unknown_kinds:
        console.print(
            f"Views of the kinds {', '.join(map(repr, found.unknown_kinds))} are of no study here, so that their "
            "metrics were not held against what they are means of; run --verify beside the studies they are from."
        )
    return EXIT_INCOMPLETE if found.faults else 0


def mirror_all(settings: Settings, studies: Sequence[Study]) -> int:
    """`--mirror`."""
    from tablewright.orchestrator.mirror import mirror_to_mlflow, mirror_to_optuna
    from tablewright.orchestrator.study_files import import_studies
    from tablewright.reports.table_files import files_of_tables, write_tables
    from tablewright.reports.table_numbers import numbers_of

    store = existing_store(settings)
    if not store.is_there:
        return EXIT_INCOMPLETE
    plan = recorded_plan(settings, studies, store) if studies else None
    import_studies(settings.project)  # whose methods know what the recorded views mean
    mirrored = []
    if settings.tracking_url is not None:
        files: dict[str, str] = {}
        numbers: dict[tuple[str, ...], float] = {}
        if plan is not None:
            files = files_of_tables(plan, store)
            numbers = numbers_of(it.table for it in write_tables(plan, store, writes=False).tables)
        mirrored.append(mirror_to_mlflow(settings.tracking_url, store, plan, files, numbers))
    if plan is not None:
        mirrored.append(mirror_to_optuna(settings.search_storage_url, store, plan, settings.runtime()))
    else:
        console.print(
            "Optuna's storage is left as it is: what its trials are of, the studies say; name them, or all."
        )
    for one in mirrored:
        console.print(Text(f"{one.text}."))
    for warning in dict.fromkeys(warning for one in mirrored for warning in one.warnings):
        errors.print(Text(f"warning: {warning}", style="yellow"))
    return EXIT_INCOMPLETE if any(one.warnings for one in mirrored) else 0


def found_trainings(
    settings: Settings, store: Store, texts: Sequence[str], option_name: str
) -> list[FoundTraining]:
    """The trainings that are meant by ids or labels, of the studies that are named or of all that there are."""
    from tablewright.orchestrator.finding import find_trainings
    from tablewright.orchestrator.named_trainings import labels_of, labels_of_project
    from tablewright.orchestrator.planning import plan_as_recorded

    def planned() -> Mapping[str, str]:
        if not settings.studies:
            return labels_of_project(settings.project, store, settings.runtime())
        return labels_of(plan_as_recorded(settings.load_studies(), store, settings.runtime()))

    return find_trainings(store, texts, option_name, planned)


def print_log(settings: Settings, ids: Sequence[str]) -> int:
    """`--log`."""
    from tablewright.orchestrator.training_log import read_log

    store = existing_store(settings)
    for found in found_trainings(settings, store, ids, "--log"):
        try:
            for piece in read_log(store, found):
                console.file.write(piece)  # as it was printed: neither wrapped nor styled
            console.file.flush()
        except BrokenPipeError:
            console.on_broken_pipe()
    return 0


def cancel_trainings(settings: Settings, ids: Sequence[str]) -> int:
    """`--cancel`."""
    from tablewright.orchestrator.orders import cancel_training

    return carry_out(settings, ids, "--cancel", cancel_training)


def retry_trainings(settings: Settings, ids: Sequence[str]) -> int:
    """`--retry`."""
    from tablewright.orchestrator.orders import retry_training

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


def show_differences(settings: Settings, first: str, second: str) -> int:
    """`--diff`."""
    from tablewright.orchestrator.differences import compare_trainings
    from tablewright.orchestrator.study_files import import_studies

    store = existing_store(settings)
    import_studies(
        settings.project
    )  # whose methods know what the recorded views mean; those of others are shown by their fields
    found = compare_trainings(store, first, second)
    for one in (found.first, found.second):
        console.print(Text(f"{one.training_id[:12]}  ", style="bold") + Text(one.in_words))
    for group, differences in {**found.causes, **found.outcome}.items():
        if not differences:
            continue
        grid = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for difference in differences:
            grid.add_row(Text(f"  {difference.name}"), Text(difference.text))
        console.print(Text(group, style="bold"))
        console.print(grid)
    console.print(Text(found.conclusion))
    return 0


def import_foreign_runs(source: str, target: str) -> int:
    """`--import`."""
    from tablewright.orchestrator.importing import copy_runs

    copied = copy_runs(source, Path(target).expanduser())
    console.print(
        Text(f"wrote {copied.path}: {counted(copied.num_runs, 'run')}; commit it, and declare its rows:")
    )
    columns = ", ".join(f"{metric!r}: ('DATA SET', 'METRIC')" for metric in copied.metrics)
    seeds = f"seed_column={copied.seed_column!r}, " if copied.seed_column else ""
    call = f"tw.imported({str(copied.path)!r}, {{{columns}}}, label='ROW', {seeds}source={copied.source!r})"
    console.print(Text(f"    {call}"))
    return 0


def refuse_beside_gc(
    is_gc: bool, additions: dict[str, bool], studies: Sequence[str] | None, narrower: dict[str, str | None]
) -> None:
    """Refuse what belongs to `--gc` without it, and with it what would hide a part of the studies from it."""
    if not is_gc:
        if given := [name for name, is_given in additions.items() if is_given]:
            raise ValueError(f"{' and '.join(given)} belongs to --gc; write --gc too, or leave it out")
        return
    named = [name for name in studies or () if name != "all"]
    if hiding := [*named, *(name for name, value in narrower.items() if value is not None)]:
        raise ValueError(
            f"--gc asks all studies of the project what they need, in all seeds and data sets; leave "
            f"{', '.join(hiding)} out"
        )


def replay_searches(settings: Settings, studies: Sequence[Study]) -> int:
    """`--replay`."""
    from tablewright.orchestrator.planning import resolver_of_records
    from tablewright.orchestrator.recorded_curves import find_curves
    from tablewright.orchestrator.replay import replay
    from tablewright.reports.replay_page import replay_heads, replay_note, replay_rows, write_replay

    store = existing_store(settings)
    resolver = resolver_of_records(store, settings.runtime())
    searches = [(study, search) for study in studies for search in study.searches]
    if not searches:
        raise ValueError(
            "--replay needs a study that declares a search; got none. Name one, such as mdpr_search."
        )
    refused = False
    for study, search in searches:
        try:
            found = find_curves(search, resolver, store)
        except ValueError as error:
            errors.print(Text(f"error: {error}", style="red"))
            refused = True
            continue
        replayed = replay(search, found, on_way=lambda name: console.print(Text(f"replaying {name}")))
        grid = Table(
            *replay_heads(replayed), box=None, header_style="bold", title=f"{study.name}/{search.name}"
        )
        for row in replay_rows(replayed):
            grid.add_row(*map(Text, row))
        console.print(grid)
        console.print(Text(replay_note(replayed)))
        console.print(Text(write_replay(replayed, study, store)))
    return EXIT_REFUSED if refused else 0


def collect_garbage(settings: Settings, *, takes_trainings: bool, removes: bool) -> int:
    """`--gc`."""
    from tablewright.orchestrator.garbage import GarbageCollector
    from tablewright.orchestrator.named_trainings import named_by_project

    store = existing_store(settings)
    if not store.is_there:
        return 0
    named = named_by_project(settings.project, store, settings.runtime())
    collector = GarbageCollector(settings.open_store(), named, takes_trainings=takes_trainings)
    found = collector.remove() if removes else collector.find()
    grid = Table("what", "files", "MB", box=None, header_style="bold")
    for kind in found.files:
        grid.add_row(Text(kind), str(found.num_files(kind)), f"{found.num_bytes(kind) / 1e6:.1f}")
    if found.files:
        console.print(grid)
    for note in found.notes:
        console.print(Text(f"{note}."))
    in_all = (
        f"{counted(found.num_files(), 'file')}, {found.num_bytes() / 1e6:.1f} MB ({found.num_bytes()} bytes)"
    )
    if not found.files:
        console.print("Nothing is there that no study needs.")
    elif removes:
        console.print(f"Removed {in_all}.")
    else:
        console.print(f"{in_all} would be removed; nothing was. Give --yes too to remove them.")
    return 0


def accept_changes(settings: Settings, studies: Sequence[Study], reason: str) -> None:
    """`--accept`, before a run or a report."""
    from tablewright.orchestrator.acceptance import accept_changed_defaults
    from tablewright.orchestrator.recorded_config import accepted_in_words

    store = existing_store(settings)
    for change in accept_changed_defaults(recorded_plan(settings, studies, store), store, reason):
        console.print(Text(f"accepted: {accepted_in_words(change)} ({change.reason})"))


def run_checks(settings: Settings, studies: Sequence[Study]) -> int:
    """`--check`."""
    from tablewright.orchestrator.check import check_studies

    num_faults = 0
    for checked in check_studies(studies, settings.runtime()):
        word, style = (
            ("FAULT ", "red")
            if checked.fault
            else ("      ", "")
            if checked.not_tried
            else ("ok    ", "green")
        )
        console.print(Text(word, style=style) + Text(checked.label))
        if checked.fault:
            num_faults += 1
            console.print(Text(f"      {checked.fault}"))
        if checked.not_tried:
            console.print(Text(f"      not tried: {checked.not_tried}"))
    return EXIT_INCOMPLETE if num_faults else 0


def run(settings: Settings, studies: Sequence[Study], watcher: Link) -> int:
    """Run or continue, then write the tables, tell MLflow, and print; in this order, so that nothing is lost."""
    from tablewright.orchestrator.ray_backend import make_backend

    store = settings.open_store()
    tracker = make_tracker(settings, store)
    result = sweep_with(make_backend(settings, watcher), settings, studies, store, tracker)
    written = write_all(result, settings, store, tracker)
    print_tables(written)
    return tell_end(result, written, settings)


def run_agent(settings: Settings, studies: Sequence[Study]) -> int:
    """`--agent`: the last one of all writes the tables."""
    from tablewright.orchestrator.agent_backend import make_agent
    from tablewright.orchestrator.other_hands import is_left_to_others

    backend = make_agent(settings)
    store = settings.open_store()
    tracker = make_tracker(settings, store)
    result = sweep_with(backend, settings, studies, store, tracker)
    if result.reached_cap or not is_left_to_others(result.plan, result.statuses, store):
        written = write_all(result, settings, store, tracker)
        print_tables(written)
        return tell_end(result, written, settings)
    if tracker is not None and tracker.has_begun:
        tracker.end(succeeded=False)
    if result.was_stopped:
        console.print(
            "This agent was stopped; others are at what is not done. Run the same command again to go on."
        )
        return EXIT_STOPPED
    console.print(
        f"Nothing is left for this agent: {describe(Counter(item.state for item in result.statuses))}; what "
        "is not done is in the hands of others, of whom the last one writes the tables."
    )
    return 0


def sweep_with(
    backend: Backend, settings: Settings, studies: Sequence[Study], store: Store, tracker: Any
) -> SweepResult:
    """Train what is left, on a backend."""
    from tablewright.orchestrator.run import run_sweep
    from tablewright.reports.seed_growth import seeds_until_decided
    from tablewright.trainables.value.long_work import listening

    with progress_view() as start_view, listening(lambda line: console.print(Text(line, style="dim"))):

        def links() -> dict[str, str]:
            return {**backend.links(), **settings.tracking_link}

        def listeners(plan: Plan, statuses: Sequence[TrainingStatus]) -> list[Listener]:
            print_source_changes(plan, store)
            for name, where in links().items():
                console.print(Text(f"{name}: {where}"), soft_wrap=True)
            if tracker is not None:
                begin_tracking(tracker, settings, plan, statuses)
            return [start_view(plan, statuses), *([tracker] if tracker is not None else [])]

        return run_sweep(
            studies,
            store=store,
            runtime=settings.runtime(),
            backend=backend,
            search_storage=settings.search_storage_url,
            listeners=listeners,
            on_stop=lambda: console.print(
                "Stopping: running trainings save their state; Ctrl-C again quits at once."
            ),
            grace_s=settings.grace_s,
            seed_rule=seeds_until_decided,
            keeps_weights=settings.keeps_weights,
            links=links,
            max_gpu_hours=settings.max_gpu_hours,
            max_cpu_hours=settings.max_cpu_hours,
        )


def write_all(result: SweepResult, settings: Settings, store: Store, tracker: Any) -> WrittenTables:
    """Write the tables, and hand them to MLflow."""
    from tablewright.orchestrator.run import recorded_ids
    from tablewright.reports.cost_table import write_costs
    from tablewright.reports.table_files import write_tables
    from tablewright.reports.table_numbers import numbers_of

    written = write_tables(result.plan, store)
    write_costs(result.plan, store, settings.prices())
    write_beside_tables(result.plan, store, written, settings)
    if tracker is not None:
        if not tracker.has_begun:  # there was nothing to train, but MLflow may have lost something
            begin_tracking(tracker, settings, result.plan, result.statuses)
        tracker.reconcile(recorded_ids(result.plan, result.statuses))  # others may have ended some since
        tracker.show(result.plan, is_final=True)
        tracker.log_tables(artifacts_of(written, store), numbers_of(it.table for it in written.tables))
        tracker.end(succeeded=result.is_complete)
    return written


def print_source_changes(plan: Plan, store: Store) -> None:
    """Say which recorded trainings were made by other code of their method."""
    from tablewright.orchestrator.source_changes import (
        find_source_changes,
        tell_changes_under_one_version,
        tell_source_changes,
    )

    told = tell_source_changes(find_source_changes(plan, store))
    for text in [*told, *tell_changes_under_one_version(plan, store)]:
        console.print(Text("changed ", style="yellow") + Text(text))


def tell_end(result: SweepResult, written: WrittenTables, settings: Settings) -> int:
    """Say how the sweep ended, and where things are."""
    from tablewright.reports.table_files import folder_of_studies

    for item in result.statuses:
        if item.state == "cancelled":
            identity = item.training.training_id[:8]
            console.print(
                Text(f"{item.training.label}: {item.message}; --retry {identity} has it tried again")
            )
    failed = [item for item in result.statuses if item.state == "failed"]
    for item in failed:
        errors.print(Text(f"failed: {item.training.label}: {item.message}", style="red"))
        where = f"{settings.store}/trainings/{item.training.training_id}/failure.json"
        errors.print(Text(f"        traceback in {where}"))
    print_refused(result.statuses)
    for study, search, state in result.plan.searched():
        if state.best is None:
            errors.print(Text(f"search {study.name}/{search.label}: {state}"))
    if result.is_complete and not written.refusals:
        folders = dict.fromkeys(map(folder_of_studies, result.plan.studies))
        console.print(
            f"Every cell is filled. Tables: {', '.join(f'{settings.store}/{it}' for it in folders)}"
        )
        return 0
    states = Counter(item.state for item in result.statuses)
    if result.reached_cap:
        console.print(
            f"{result.reached_cap} are spent, so that nothing more was begun: {describe(states)}. Run the same command "
            "with more hours to go on."
        )
        return EXIT_STOPPED if result.was_stopped else EXIT_INCOMPLETE
    mend = " Mend what failed, then run" if failed else " Run"
    again = f"{mend} the same command again to go on." if set(states) - {"done", "cancelled"} else ""
    console.print(f"Not every cell is filled: {describe(states)}.{again}")
    return EXIT_STOPPED if result.was_stopped else EXIT_INCOMPLETE


def print_tables(written: WrittenTables) -> None:
    """Print every table, and a word on each that has lost cells, is narrower, or could not be written."""
    from tablewright.reports.latex import latex_warnings
    from tablewright.reports.terminal import to_terminal

    for item in written.tables:
        console.print(to_terminal(item.table, marks_with_signs=loses_styles(console)), soft_wrap=False)
    for item in written.tables:
        if item.emptied is not None:
            name = f"{item.table.study}/{item.table.name}"
            kept = (
                "it was written anew; undo the change, or run the same command again until they are filled"
                if item.urls
                else "its files are kept as they were; run the study without --report to fill it, or undo the change"
            )
            errors.print(Text(f"{name}: {item.emptied}; {kept}.", style="red"))
        if item.narrowed:
            name = f"{item.table.study}/{item.table.name}"
            again = "its files were written without them; name no --seeds and --datasets to have them back"
            errors.print(Text(f"{name}: {item.narrowed}; {again}.", style="yellow"))
        if item.latex is not None:
            for warning in latex_warnings(item.latex.text):
                errors.print(Text(f"{item.latex.name}.tex: {warning}.", style="yellow"))
    for refusal in written.refusals:
        errors.print(Text(f"refused: {refusal}", style="red"))


def print_what_tex_says(written: WrittenTables, settings: Settings) -> None:
    """Say which LaTeX tables a TeX of this machine finds not to fit, where there is one."""
    from tablewright.reports.tex_check import tex_complaints

    latex = [item.latex for item in written.tables if item.latex is not None]
    cache = Path(settings.cache_dir).expanduser() / "tex"
    for name, complaints in tex_complaints(latex, cache).items():
        errors.print(Text(f"{name}.tex: TeX finds it {', '.join(complaints)}.", style="yellow"))


def artifacts_of(written: WrittenTables, store: Store) -> dict[str, str]:
    """Artifact path in MLflow -> file, of every table and its figures: as they lie in the store."""
    urls = [
        url
        for item in written.tables
        for url in (*item.urls.values(), item.index_url, *item.figure_urls.values())
    ]
    return {url.removeprefix(f"{store.root.url}/tables/"): url for url in urls}


def make_tracker(settings: Settings, store: Store) -> Any:
    """MLflow's tracker, or None where tracking is switched off."""
    if settings.tracking_url is None:
        return None
    from tablewright.orchestrator.tracking import Tracker

    return Tracker(settings.tracking_url, store)


def begin_tracking(tracker: Any, settings: Settings, plan: Plan, statuses: Sequence[TrainingStatus]) -> None:
    """Open the sweep's run, and let MLflow catch up on what is recorded already."""
    from tablewright.orchestrator.run import recorded_ids

    profiles = {study.profile for study in plan.studies if study.profile is not None}
    parameters = {
        **({"profile": ", ".join(profiles)} if profiles else {}),
        "cells": len(plan.cells),
        "trainings": len(statuses),
    }
    tracker.begin("+".join(study.name for study in plan.studies), parameters)
    tracker.show(plan)
    tracker.reconcile(recorded_ids(plan, statuses))


# -- the live view ---------------------------------------------------------------------------------


@contextmanager
def progress_view() -> Generator[Any]:
    """Show a running sweep: a live view on a terminal, a line for each ended training elsewhere."""
    from tablewright.orchestrator.progress import SweepProgress

    shown: list[Live] = []

    def start(plan: Plan, statuses: Sequence[TrainingStatus]) -> Listener:
        recorded = sum(item.state == "done" for item in statuses)
        to_search = sum(state.num_left for state in plan.unfilled_searches.values())
        progress = SweepProgress(len(plan.trainings) + to_search, recorded)
        searching = f", {to_search} more to search" if to_search else ""
        console.print(
            f"{counted(len(plan.cells), 'cell')}, {counted(len(plan.trainings), 'training')}{searching}; "
            f"{recorded} recorded already."
        )
        if not console.is_terminal:
            return LineByLine(progress)
        live = Live(get_renderable=lambda: live_view(progress), console=console, refresh_per_second=2)
        live.start()
        shown.append(live)
        return progress

    try:
        yield start
    finally:
        for live in shown:
            live.stop()


class LineByLine:
    """Prints a line for each training that ends, for logs."""

    def __init__(self, progress: SweepProgress) -> None:
        self.progress = progress

    def on_start(self, work: Work) -> None:
        """Count."""
        self.progress.on_start(work)

    def on_progress(self, work: Work, progress: EpochProgress) -> None:
        """Count."""
        self.progress.on_progress(work, progress)

    def on_end(self, work: Work, outcome: Outcome) -> None:
        """Print."""
        self.progress.on_end(work, outcome)
        _, _, wall_s = self.progress.ended[-1]
        what = f"{outcome.state} after {wall_s:.0f} s: {work.label} {outcome.message}"
        console.print(Text(f"[{headline(self.progress)}] {what}"))


def headline(progress: SweepProgress) -> str:
    """Trainings done of all, and the time left."""
    done = progress.num_recorded + progress.count("done")
    left_s = progress.left_s()
    left = "" if left_s is None else f", about {duration(left_s)} left"
    failed = f", {progress.count('failed')} failed" if progress.count("failed") else ""
    total = max(progress.num_planned, done)  # a suggestion may equal a planned row, and a best one be new
    return f"{done}/{total} done{failed}{left}"


def live_view(progress: SweepProgress) -> RenderableType:
    """The live view: one line for the sweep, one for each running training."""
    grid = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    running = list(progress.running.values())
    for training in running[:MAX_RUNNING_SHOWN]:
        epoch = f"epoch {training.epoch}/{training.num_epochs}" if training.epoch else "starting"
        if training.epoch and training.epoch == training.num_epochs:
            epoch = "measuring"
        loss = f"loss {training.loss:z.3f}" if training.loss == training.loss else ""
        grid.add_row("  " + training.label, epoch, loss)
    if len(running) > MAX_RUNNING_SHOWN:
        grid.add_row(f"  … and {len(running) - MAX_RUNNING_SHOWN} more")
    head = Text(f"{headline(progress)}, {duration(progress.wall_s)} so far", style="bold")
    return Group(head, grid)


def duration(seconds: float) -> str:
    """Hours and minutes, or minutes and seconds."""
    minutes, rest_s = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes}:{rest_s:02d} min"


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
