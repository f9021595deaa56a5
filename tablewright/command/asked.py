"""Which one thing the command is asked to do, what goes with it, and what carries it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from rich.text import Text

from tablewright.command.garbage_pace import look_rarely
from tablewright.command.screen import console, errors
from tablewright.orchestrator.on_ray.supervisor import Link, supervise
from tablewright.orchestrator.signals import end_on_signals

if TYPE_CHECKING:
    from tablewright.orchestrator.declared.study import Study
    from tablewright.orchestrator.settings import Settings

OnStudies: TypeAlias = "Callable[[Settings, Sequence[Study]], int]"
"""Does what is asked on the studies that are named; gives the exit code."""

FOR_ACCEPTING = ([], ["--report"])
"""What `--accept` goes with: a run, and a report."""


@dataclass(frozen=True)
class Asked:
    """What of the command line says what is to be done; `Settings` says how.

    Attributes:
        takes_trainings: of `--gc`: `--trainings`.
        takes_images: of `--gc`: `--images`.
        removes: of `--gc`: `--yes`.
    """

    plan: bool = False
    status: bool = False
    report: bool = False
    keep_found: bool = False
    check: bool = False
    verify: bool = False
    mirror: bool = False
    agent: bool = False
    replay: bool = False
    gc: bool = False
    log: str | None = None
    cancel: tuple[str, ...] = ()
    retry: tuple[str, ...] = ()
    diff: tuple[str, str] | None = None
    import_runs: tuple[str, str] | None = None
    takes_trainings: bool = False
    takes_images: bool = False
    removes: bool = False
    accept: str | None = None

    @property
    def verbs(self) -> list[str]:
        """The options that say what is to be done; none is to train."""
        is_given = {
            "--plan": self.plan,
            "--status": self.status,
            "--report": self.report,
            "--keep-found": self.keep_found,
            "--check": self.check,
            "--verify": self.verify,
            "--mirror": self.mirror,
            "--agent": self.agent,
            "--replay": self.replay,
            "--gc": self.gc,
            "--diff": self.diff is not None,
            "--import": self.import_runs is not None,
            "--log": self.log is not None,
            "--cancel": bool(self.cancel),
            "--retry": bool(self.retry),
        }
        return [option for option, is_given in is_given.items() if is_given]

    @property
    def needs_no_study(self) -> bool:
        """Whether it may be asked without naming one."""
        of_trainings = self.log is not None or self.cancel or self.retry or self.diff is not None
        return bool(self.verify or self.mirror or self.gc or of_trainings or self.import_runs is not None)

    @property
    def reads_records_alone(self) -> bool:
        """Whether nothing but the store is read, so that no data set need be there."""
        return self.status or self.report or self.keep_found or self.replay or self.needs_no_study

    def refuse_contradictions(
        self,
        studies: Sequence[str],
        narrower: Mapping[str, str | None],
        of_report: Mapping[str, bool],
    ) -> None:
        """Refuse what does not go together.

        Args:
            studies: that are named.
            narrower: option -> value of those that leave out a part of the studies.
            of_report: option -> whether it is given, of those that go with `--report`.

        Raises:
            ValueError: every such pair, and what to leave out.
        """
        given = self.verbs
        faults = [] if len(given) < 2 else [f"{' and '.join(given)} are given together; give one of them"]
        if self.accept is not None and given not in FOR_ACCEPTING:
            faults.append(f"--accept is for a run or a --report, not for {given[0]}; leave one of them out")
        faults += [
            f"{option} goes with --report, which makes files of what is recorded; add it"
            for option, is_given in of_report.items()
            if is_given and given != ["--report"]
        ]
        if self.diff is not None and studies:
            faults.append(
                f"--diff compares two recorded trainings and takes no study; leave {studies[0]} out"
            )
        if self.import_runs is not None and studies:
            faults.append(f"--import copies runs and takes no study; leave {studies[0]} out")
        faults += self._faults_beside_gc(studies, narrower)
        if faults:
            raise ValueError("\n".join(faults))

    def _faults_beside_gc(self, studies: Sequence[str], narrower: Mapping[str, str | None]) -> list[str]:
        additions = {
            "--trainings": self.takes_trainings,
            "--images": self.takes_images,
            "--yes": self.removes,
        }
        if not self.gc:
            given = [option for option, is_given in additions.items() if is_given]
            return (
                [f"{' and '.join(given)} belongs to --gc; write --gc too, or leave it out"] if given else []
            )
        named = [name for name in studies if name != "all"]
        if hiding := [*named, *(option for option, value in narrower.items() if value is not None)]:
            return [
                "--gc asks all studies of the project what they need, in all seeds and data sets; leave "
                f"{', '.join(hiding)} out"
            ]
        return []


def carry_out(asked: Asked, settings: Settings) -> int:
    """Do the one thing that is asked; gives the exit code. Nothing is loaded that it does not need.

    Raises:
        ValueError: what is asked for is refused.
        OSError: the store or a file cannot be read or written.
    """
    if not asked.check:  # which trains in this process: what one model leaves must not stay beside the next
        look_rarely()
    if asked.import_runs is not None:
        from tablewright.command.import_runs import import_foreign_runs

        return import_foreign_runs(*asked.import_runs)
    if asked.diff is not None:
        from tablewright.command.diff import show_differences

        return show_differences(settings, *asked.diff)
    if asked.log is not None:
        from tablewright.command.log import print_log

        return print_log(settings, [asked.log])
    if asked.cancel:
        from tablewright.command.orders import cancel_trainings

        return cancel_trainings(settings, asked.cancel)
    if asked.retry:
        from tablewright.command.orders import retry_trainings

        return retry_trainings(settings, asked.retry)
    if asked.gc:
        from tablewright.command.garbage import collect_garbage

        return collect_garbage(
            settings,
            takes_trainings=asked.takes_trainings,
            takes_images=asked.takes_images,
            removes=asked.removes,
        )
    settings.prices()  # what is wrong with them is told before anything trains
    if asked.agent or (settings.local is not None and not asked.verbs):
        from tablewright.orchestrator.agents.worker_process import warm_up

        end_on_signals()
        warm_up()  # while this process plans
    if asked.verbs:
        return _verb_of(asked)(settings, _declared(asked, settings))
    if settings.local is not None:
        from tablewright.command.run import run_locally

        return run_locally(settings, _declared(asked, settings))
    return supervise(  # nothing is loaded yet: what watches over the sweep stays small
        lambda watcher: _train(settings, _declared(asked, settings), watcher),
        report=lambda: _verb_of(Asked(report=True))(settings, _declared(asked, settings)),
        say=lambda text: errors.print(Text(text, style="red")),
        grace_s=settings.grace_s,
    )


def _declared(asked: Asked, settings: Settings) -> list[Study]:
    """Load the studies that are named; accepts first what is to be accepted."""
    declared = settings.load_studies()
    if settings.is_demo_by_default(declared) and not settings.reads_records_alone:
        console.print("No data root given: running the demo profile on the embedded demo images.")
    if asked.accept is not None:
        from tablewright.command.accept import accept_changes

        accept_changes(settings, declared, asked.accept)
    return declared


def _train(settings: Settings, studies: Sequence[Study], watcher: Link) -> int:
    from tablewright.command.run import run_on_ray

    return run_on_ray(settings, studies, watcher)


def _verb_of(asked: Asked) -> OnStudies:
    """Load what does something on studies."""
    match asked.verbs:
        case ["--plan"]:
            from tablewright.command.plan import show_plan

            return show_plan
        case ["--status"]:
            from tablewright.command.status import show_status

            return show_status
        case ["--report"]:
            from tablewright.command.report import write_report

            return write_report
        case ["--keep-found"]:
            from tablewright.command.keep_found import keep_what_was_found

            return keep_what_was_found
        case ["--check"]:
            from tablewright.command.check import run_checks

            return run_checks
        case ["--verify"]:
            from tablewright.command.verify import verify_all

            return verify_all
        case ["--mirror"]:
            from tablewright.command.mirror import mirror_all

            return mirror_all
        case ["--agent"]:
            from tablewright.command.agent import run_agent

            return run_agent
        case _:
            from tablewright.command.replay import replay_searches

            return replay_searches
