"""Studies, built from the files in which they are declared."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import re
import traceback
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticUserError

from tablewright.orchestrator.declared.declared_names import is_file_name, is_not_reserved
from tablewright.orchestrator.declared.declaring import declaring
from tablewright.orchestrator.declared.found_base import FoundBase
from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.declared.study import Study
from tablewright.orchestrator.project.project import Project
from tablewright.orchestrator.project.study_files import StudyFile, elsewhere, find_study_files
from tablewright.trainables.contract.program import STUDIES_FOLDER
from tablewright.trainables.value.frozen_model import faults_of
from tablewright.trainables.value.refusal import Refusal, nearest, shown


def import_studies(project: Project | None = None) -> None:
    """Import every study that can be, with the methods and the kinds of views that they use."""
    with contextlib.suppress(Exception, SystemExit):  # a slip in a study is told when it is asked for
        _enter(project)
    for file in find_study_files(project):
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(file.module)


def load_every_study(
    project: Project | None = None, built_in: Collection[str] = ()
) -> dict[Profile, list[Study]]:
    """Build all studies in each profile that they have; one without stands under the demo.

    Args:
        project: whose studies they are; one without studies of its own has the built-in ones.
        built_in: names of built-in studies that are built beside a project's own.

    Raises:
        ValueError: every one that cannot be built, told at once.
    """
    found: dict[Profile, list[Study]] = {profile: [] for profile in Profile}
    faults: dict[str, None] = {}
    files = find_study_files(project)
    has_own = any(not file.is_built_in for file in files)
    names = [file.name for file in files if not (has_own and file.is_built_in) or file.name in built_in]
    for name in dict.fromkeys(names):
        for profile in Profile:
            try:
                study = load_study(name, profile, project)
            except ValueError as error:
                faults[str(error)] = None
                continue
            if study.profile is not None or profile is Profile.DEMO:
                found[profile].append(study)
    if faults:
        raise ValueError("\n".join(faults))
    return found


def load_study(name: str, profile: Profile, project: Project | None = None) -> Study:
    """Build the study that a file declares with its function `make_study(profile)`, or `make_study()`.

    Args:
        name: of the study.
        profile: it is declared for, where it has profiles.
        project: whose studies are found beside the built-in ones.

    Raises:
        ValueError: there is no such file (the nearest is suggested), or two; it has a slip (file and line are
            named), or the declaration is refused.
    """
    profile = Profile(profile)
    files = find_study_files(project)
    of_name = [file for file in files if file.name == name]
    if not of_name:
        names = list(dict.fromkeys(file.name for file in files))
        where = "" if project is None or project.has_studies or project.is_ours else f"{elsewhere(project)} "
        raise ValueError(
            f"There is no study {name!r}. {_hint(name, names)}{where}Studies: {', '.join(names) or 'none'}."
        )
    if len(of_name) > 1:
        paths = " and ".join(str(file.path) for file in of_name)
        raise ValueError(
            f"There are two studies {name!r}: {paths}. Rename yours; nothing says which is meant"
        )
    (file,) = of_name
    if (misnamed := is_file_name(name) or is_not_reserved(name)) is not None:
        raise ValueError(f"{file.place}: a study has the name of its file, and {misnamed}; rename the file")
    try:
        _enter(project)
        module = importlib.import_module(file.module)
        make_study = getattr(module, "make_study", None)
        has_profiles, can_be_made = _takes(make_study, "demo"), _takes(make_study)
        study, bases = None, list[FoundBase]()
        if has_profiles or can_be_made:
            assert make_study is not None
            with declaring(name, profile if has_profiles else None, file.path.parent, project) as now:
                study = make_study(profile) if has_profiles else make_study()
            bases = list(dict.fromkeys(now.bases))
    except (Exception, SystemExit) as error:  # whatever a slip in a person's file raises
        raise ValueError(f"{_place_of(error, file, project) or file.place}: {_text_of(error)}") from error
    if make_study is None:
        others = [other for other in vars(module) if "study" in other.lower()]
        hint = f" (it has {', '.join(others)})" if others else ""
        raise ValueError(
            f"{file.place} declares no study; define make_study() -> Study in it{hint}. A file beside "
            "studies that is none has a name that begins with an underscore, or lies outside."
        )
    if not (has_profiles or can_be_made):
        raise ValueError(
            f"{file.place}: make_study is a function of nothing, or of the profile alone; write def make_study(): or "
            "def make_study(profile):"
        )
    if not isinstance(study, Study):
        got = shown(study) if study is None or isinstance(study, type) else type(study).__name__
        raise ValueError(f"{file.place}: make_study must return a Study; it returned {got}")
    if study.name != name:
        raise ValueError(f"{file.place}: the study is named {study.name!r}; name it {name!r}, as its file")
    return replace(study, profile=profile if has_profiles else None, starts_from=bases)


def _enter(project: Project | None) -> None:
    if project is not None:
        project.enter()


def _takes(make_study: Any, *arguments: Any) -> bool:
    """Say whether it can be called with these, whatever it does then."""
    try:
        inspect.signature(make_study).bind(*arguments)
    except (TypeError, ValueError):
        return False
    return True


def _hint(name: str, names: Sequence[str]) -> str:
    if name == "all":
        return "'all' means every study and stands alone. "
    if name.endswith(".py") or name in (STUDIES_FOLDER, "."):
        return f"A study is named as its file, without {STUDIES_FOLDER}/ and .py. "
    if name.isdigit():
        return "Seeds are given with commas: --seeds 1,2. "
    begun = [known for known in names if known.startswith(name)]
    meant = begun or [nearest(name, names, cutoff=0.4)]
    return f"Did you mean {' or '.join(map(repr, meant))}? " if any(meant) else ""


def _place_of(error: BaseException, file: StudyFile, project: Project | None) -> str:
    """Name the line of a person's own file that an exception comes from; empty where it is in none."""
    home = file.path.parent.parent if project is None or file.is_built_in else project.folder
    if isinstance(error, SyntaxError):  # of a null character neither file nor line is told
        return f"{_below(Path(error.filename), home)}:{error.lineno}" if error.filename else ""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(Path(frame.filename), file, home)]
    return f"{_below(Path(own[-1].filename), home)}:{own[-1].lineno}" if own else ""


def _is_own(path: Path, file: StudyFile, home: Path) -> bool:
    """Say whether a line of this file is a person's to mend: of a built-in study only those of studies are."""
    if file.is_built_in:
        return path.parent == file.path.parent
    return path.is_relative_to(home) and "site-packages" not in path.parts


def _below(path: Path, home: Path) -> str:
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.name


def _text_of(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg}" + (f": {text}" if (text := (error.text or "").strip()) else "")
    if isinstance(error, SystemExit):
        return "this line ends the program; raise ValueError with what is wrong instead"
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON at line {error.lineno} column {error.colno}; it may be cut off"
    if not str(error):
        line = traceback.extract_tb(error.__traceback__)[-1].line
        return f"{type(error).__name__} in {shown(line)}"
    if isinstance(error, PydanticUserError):
        return _text_of_class(error)
    if isinstance(error, ValidationError):  # of a model that is none of ours
        return str(Refusal(error.title, faults_of(BaseModel, error)))
    # A declaration's own refusal is complete; of anything else the kind is half of the message.
    is_complete = isinstance(error, Refusal) or type(error) is ValueError
    return str(error) if is_complete else f"{type(error).__name__}: {error}"


def _text_of_class(error: PydanticUserError) -> str:
    """Say what is wrong with a class of configs that pydantic could not make."""
    name = re.search(r"`(\w+)", error.message)
    field = name[1] if name else "field"
    if error.code == "model-field-missing-annotation":
        return f"{field} has a value and no type; write one, such as {field}: float = 0.1"
    if error.code == "model-field-overridden":
        return f"{field} has a type in the class that this one is derived from; write it here again, {field}: type = …"
    return f"this class cannot be a config ({error.code or 'no reason given'}); compare it with one in trainables/"
