"""The config that a search has found, as the base of another study."""

from __future__ import annotations

from pathlib import Path

from tablewright.orchestrator.declared.changes import try_changes
from tablewright.orchestrator.declared.dataset import without_own_seed
from tablewright.orchestrator.declared.declaring import Declaring, declaring_now
from tablewright.orchestrator.declared.found_base import FoundBase
from tablewright.orchestrator.declared.found_config import FoundConfig, name_faults, place_of, read_found
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.project.project import Project, entered_project
from tablewright.orchestrator.project.study_loading import load_study
from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.contract.program import STUDIES_FOLDER
from tablewright.trainables.value.refusal import guess, shown


def best_of(
    study: str, search: str, base: TrainingConfig | None = None, *, profile: str | None = None
) -> TrainingConfig:
    """Give the best config that a search has found and that was kept with `--keep-found`.

    Called in `make_study`, it reads the file that is kept for the profile the study is declared for.

    Args:
        study: that declares the search.
        search: its name.
        base: takes over the values that were found; None is the config that the search has varied.
        profile: of the search's study, where it is another than that of the study being declared.

    Raises:
        ValueError: nothing was kept of the search, it is of another method, or a path or a value that was found is
            none of the base; with what to do.
    """
    call = f"best_of({study!r}, {search!r})"
    if faults := name_faults(study, search):
        raise ValueError(f"{call} is given the names of a study and of a search of it; {'; '.join(faults)}")
    now = declaring_now()
    of_profile = Profile(profile) if profile is not None else None if now is None else now.profile
    found = _read(call, study, search, of_profile, now, is_named=profile is not None)
    if base is None:
        base = _searched_base(call, found, now)
    elif not isinstance(base, TrainingConfig):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(
            f"{call}: base is a config, or left out; got {shown(base)}; a profile is given by its name, profile=…"
        )
    where = f"{call}: {STUDIES_FOLDER}/{found.place}"
    if found.method != base.METHOD:
        raise ValueError(
            f"{where} is of the method {found.method!r}, and the base of {base.METHOD!r}; give a base of "
            f"{found.method!r}, or leave it out"
        )
    config, faults_of_values = try_changes(base, found.params)
    if faults_of_values:
        told = "\n".join(f"  - {fault}" for fault in faults_of_values)
        raise ValueError(
            f"{where} does not fit the config any more:\n{told}\nSearch again and keep what is found then, or write "
            "the values that still fit into the base by hand"
        )
    if now is not None:
        now.bases.append(_base_of(found))
    return config


def _read(
    call: str, study: str, search: str, profile: Profile | None, now: Declaring | None, *, is_named: bool
) -> FoundConfig:
    """Read what was kept, of the search's study in this profile, or of one without profiles."""
    folder = _studies_folder(now)
    places = [place_of(study, search, profile)]
    if profile is not None and not is_named:
        places.append(place_of(study, search, None))
    for place in places:
        try:
            return read_found(folder / place, study, search)
        except FileNotFoundError:
            continue
        except ValueError as error:
            raise ValueError(f"{call}: {error}") from error
    others = [other for other in (None, *Profile) if (folder / place_of(study, search, other)).is_file()]
    if others and profile is None:
        named = " or ".join(f"profile={str(other)!r}" for other in others)
        raise ValueError(
            f"{call}: it is kept by profile, and nothing says which is meant; call it in make_study(profile), or give "
            f"{named}"
        )
    there = ""
    if others:
        there = (
            f" There is one of {' and '.join('no profile' if one is None else str(one) for one in others)}."
        )
    of_profile = "" if profile is None else f" --profile {profile}"
    raise ValueError(
        f"{call}: {folder / places[0]} is not there: what the search has found was not kept yet.{there} Let the search "
        f"end (python sweep.py {study}{of_profile}), and keep it: python sweep.py {study}{of_profile} --keep-found"
    )


def _studies_folder(now: Declaring | None) -> Path:
    if now is not None:
        return now.studies_folder
    return (entered_project() or Project(Path.cwd())).studies_folder


def _searched_base(call: str, found: FoundConfig, now: Declaring | None) -> TrainingConfig:
    """Give the config that the search has varied, as its study declares it today."""
    if now is not None and now.is_of(found.study):
        raise ValueError(
            f"{call}: {found.study} is being declared itself, so its base is not known yet; give it: "
            f"best_of({found.study!r}, {found.search!r}, base)"
        )
    project = entered_project() if now is None else now.project
    try:
        declared = load_study(found.study, found.profile or Profile.DEMO, project)
    except ValueError as error:
        raise ValueError(
            f"{call}: the config that was searched is not known, as its study cannot be built; mend it, or give a "
            f"base: best_of({found.study!r}, {found.search!r}, base)\n{error}"
        ) from error
    if declared.profile != found.profile:
        has = "has profiles" if declared.profile is not None else "has no profiles"
        raise ValueError(
            f"{call}: {STUDIES_FOLDER}/{found.place} was kept of another profile; the study {has} now: keep what it "
            "has found again with --keep-found"
        )
    searches = {one.name: one for one in declared.searches}
    if found.search not in searches:
        names = ", ".join(searches) or "none"
        raise ValueError(
            f"{call}: {found.study} declares no search {found.search!r} any more{guess(found.search, searches)} It has "
            f"{names}; give a base: best_of({found.study!r}, {found.search!r}, base)"
        )
    return without_own_seed(searches[found.search].base)


def _base_of(found: FoundConfig) -> FoundBase:
    return FoundBase(
        study=found.study,
        search=found.search,
        search_id=found.search_id,
        method=found.method,
        version=str(found.version) if isinstance(found.version, int) else "",
        params=found.params,
        num_complete=found.num_complete,
        metric=found.metric,
        value=found.value,
    )
