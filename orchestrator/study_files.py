"""The files in which studies are declared: listed, read for their titles, and built."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import inspect
import json
import pkgutil
import re
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticUserError

from tablewright.orchestrator.study import Profile, Study, is_file_name, is_not_all
from tablewright.trainables.value.frozen_model import faults_of
from tablewright.trainables.value.refusal import Refusal, nearest, shown


def study_names(package: str = "tablewright.search_spaces") -> list[str]:
    """List the studies: the files of the package."""
    folder = importlib.import_module(package)
    return sorted(module.name for module in pkgutil.iter_modules(folder.__path__) if not module.ispkg)


def import_studies(package: str = "tablewright.search_spaces") -> None:
    """Import every study that can be, with the methods and the kinds of views that they use."""
    for name in study_names(package):
        with contextlib.suppress(Exception, SystemExit):  # a slip in a study is told when it is asked for
            importlib.import_module(f"{package}.{name}")


def study_titles(package: str = "tablewright.search_spaces") -> list[tuple[str, str]]:
    """List the studies with the first lines of their files' docstrings."""
    return [(name, _title_of(f"{package}.{name}")) for name in study_names(package)]


def _title_of(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:  # such as a link that leads nowhere
        return "(cannot be read: there is no file of this name, or a link that leads nowhere)"
    try:
        text = ast.get_docstring(ast.parse(Path(spec.origin).read_bytes())) or ""
    except OSError as error:
        return f"(cannot be read: {error.strerror})"
    except SyntaxError as error:
        return f"(cannot be read: line {error.lineno}: {error.msg})"
    except ValueError as error:  # a null character
        return f"(cannot be read: {error})"
    return text.partition("\n")[0]


def load_study(name: str, profile: Profile, package: str = "tablewright.search_spaces") -> Study:
    """Build the study that a file declares with its function `make_study(profile)`.

    Raises:
        ValueError: there is no such file (the nearest is suggested), it has a slip (file and line are
            named), or the declaration is refused.
    """
    profile = Profile(profile)
    names = study_names(package)
    if name not in names:
        raise ValueError(
            f"There is no study {name!r}. {_hint(name, names)}Studies: {', '.join(names) or 'none'}."
        )
    file = f"{package}/{name}.py"
    if (misnamed := is_file_name(name) or is_not_all(name)) is not None:
        raise ValueError(f"{file}: a study has the name of its file, and {misnamed}; rename the file")
    try:
        module = importlib.import_module(f"{package}.{name}")
        make_study = getattr(module, "make_study", None)
        study = make_study(profile) if make_study is not None and _takes_a_profile(make_study) else None
    except (Exception, SystemExit) as error:  # whatever a slip in a person's file raises
        raise ValueError(f"{_place_of(error, package) or file}: {_text_of(error)}") from error
    if make_study is None:
        raise ValueError(f"{file} declares no study; define make_study(profile) -> Study in it.")
    if not _takes_a_profile(make_study):
        raise ValueError(
            f"{file}: make_study is a function of the profile alone; write def make_study(profile):"
        )
    if not isinstance(study, Study):
        got = shown(study) if study is None or isinstance(study, type) else type(study).__name__
        raise ValueError(f"{file}: make_study must return a Study; it returned {got}")
    if study.name != name:
        raise ValueError(f"{file}: the study is named {study.name!r}; name it {name!r}, as its file")
    return study


def _takes_a_profile(make_study: Any) -> bool:
    """Say whether it can be called with a profile, whatever it does then."""
    try:
        inspect.signature(make_study).bind("demo")
    except (TypeError, ValueError):
        return False
    return True


def _hint(name: str, names: Sequence[str]) -> str:
    if name == "all":
        return "'all' means every study and stands alone. "
    if name.isdigit():
        return "Seeds are given with commas: --seeds 1,2. "
    begun = [known for known in names if known.startswith(name)]
    meant = begun or [nearest(name, names, cutoff=0.4)]
    return f"Did you mean {' or '.join(map(repr, meant))}? " if any(meant) else ""


def _place_of(error: BaseException, package: str) -> str:
    """Name the line of a study's file that an exception comes from; empty where it is in none."""
    if isinstance(error, SyntaxError):  # of a null character neither file nor line is told
        return f"{package}/{Path(error.filename).name}:{error.lineno}" if error.filename else ""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).parent.name == package.rpartition(".")[2]]
    return f"{package}/{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""


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
