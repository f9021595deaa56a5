"""A command line with places in it, such as `python train.py {flags} --out {out}`, and how a config fills them."""

from __future__ import annotations

import enum
import itertools
import json
import re
import shlex
import sys
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tablewright.trainables.contract.method import TrainingConfig
from tablewright.trainables.value.field_type import arms_of
from tablewright.trainables.value.frozen_model import FrozenModel
from tablewright.trainables.value.refusal import Fault, guess, shown
from tablewright.trainables.value.secret import holds_secret

FLAGS, DASHED_FLAGS, OVERRIDES = "flags", "dashed_flags", "overrides"
LISTS = (FLAGS, DASHED_FLAGS, OVERRIDES)
"""Places that become several words: every field of the config that has no place of its own."""
FILES = ("config_json", "config_yaml")
"""Places that become the path of a file with every field, the seed too."""
SEED, OUT = "seed", "out"
RESERVED = (*LISTS, *FILES, OUT)
"""Places that no field of a config can have the name of."""

_PLACE = re.compile(r"(?<!\$)\{([A-Za-z_][\w.]*)\}")
"""`${name}` is an interpolation of shells and of OmegaConf, and stays as it is."""
_OVERRIDE = re.compile(r"[+~]*[\w./@:]+=(?!['\"])")
_NEAR_PLACE = re.compile(r"(?<!\$)\{\s*[\w.]*\s*\}")
"""What may be meant for a place; braces around anything else, as of JSON, are text."""
_PATH_IN_OUT = re.compile(r"\{out\}([^,'\"\])}]*)")
_QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.""", re.DOTALL)
_OPERATOR = re.compile(r"\d?>>?(?:&\d)?|<<?|\|\|?|&&?|;|`|\$\(|\$[A-Za-z_@*#?]\w*|(?<!\S)~/")
"""What a shell acts on where it is not quoted."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_SHELL_WORDS = ("cd", "export", "source", ".", "set", "ulimit", "exec", "eval")
_PYTHON = re.compile(r"python(\d+(?:\.\d+)?)?")
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""Characters that YAML refuses, or folds as ends of lines, where they are not escaped."""
_PLAIN_IN_HYDRA = re.compile(r"(?!(null|true|false|nan|inf)$)[A-Za-z_][\w./-]*", re.IGNORECASE)


@dataclass(frozen=True)
class _Leaf:
    """A field that holds no further ones.

    Attributes:
        path: dotted.
        arms: the types that it may have.
    """

    path: str
    arms: tuple[Any, ...]
    default: Any

    @property
    def can_be_none(self) -> bool:
        return type(None) in self.arms

    @property
    def is_off_only(self) -> bool:
        """Say whether it stands for a part that may be left out, whose own fields are leaves."""
        return self.arms == (type(None),)

    @property
    def is_one_word(self) -> bool:
        return all(_is_word(arm) for arm in self.arms)


@dataclass(frozen=True)
class Command:
    """The words of a command, as they were declared.

    Attributes:
        words: with places in them; `python` or `python3` as the first is the interpreter that runs this program.
    """

    words: tuple[str, ...]

    @staticmethod
    def of(command: Any) -> Command:
        """Take a line, which is split as a shell splits it, or a list of words.

        Raises:
            ValueError: it is neither, or a quotation mark is not closed, or only a shell could run it.
        """
        if isinstance(command, str):
            words = shlex.split(command)
            if found := _OPERATOR.search(_QUOTED.sub("_", command)):
                raise _no_shell(found[0])
            return Command(tuple(words))
        is_list = isinstance(command, Sequence) and all(isinstance(word, str) for word in command)
        if not is_list:
            raise ValueError(f"a line or a list of words is needed; got {shown(command)}")
        for before, word in itertools.pairwise(command):
            if _OPERATOR.fullmatch(word) and not before.startswith("-"):
                raise _no_shell(word)
        return Command(tuple(command))

    @property
    def places(self) -> list[str]:
        """Names of the places, in their order."""
        return [name for word in self.words for name in _PLACE.findall(word)]

    @property
    def list_place(self) -> str | None:
        """Which of `LISTS` it has, if any."""
        return next((name for name in self.places if name in LISTS), None)

    @property
    def num_words_of_program(self) -> int:
        """How many words come before those that are the script's own: it, and what starts it."""
        for number, word in enumerate(self.words, start=1):
            is_module = number > 1 and self.words[number - 2] == "-m"
            if is_module or word.endswith((".py", ".sh", ".bash")):
                return number
        return 1

    def find_faults(self, config: type[TrainingConfig]) -> Iterator[Fault]:
        """Find what would keep a field of the config, or the seed, from reaching the script as it is meant."""
        if not self.words:
            yield Fault(
                "command",
                'it is empty; write one such as "python train.py {flags} --seed {seed} --out {out}"',
            )
            return
        yield from self._faults_of_program()
        leaves = {leaf.path: leaf for leaf in _leaves_of(config)}
        for path in leaves:
            if path in RESERVED:
                yield Fault(
                    f"{config.__name__}.{path}",
                    f"{{{path}}} stands for something else in a command; call the field by another name",
                )
        places = set(self.places)
        known = [*LISTS, *FILES, SEED, OUT, *leaves]
        for word in self.words:
            if fault := _fault_of_braces(word):
                yield Fault("command", fault)
        for name in sorted(places - set(known)):
            yield Fault(
                "command", f"there is no {{{name}}}{guess(name, known)} There are {_in_braces(known)}"
            )
        if OUT not in places:
            yield Fault(
                "command",
                "{out} is missing, the folder that the script writes its results into; add --out {out}",
            )
        if not places & {SEED, *FILES}:
            yield Fault(
                "command", "the seed is given nowhere, so that all seeds would be one; add --seed {seed}"
            )
        lists = [name for name in LISTS if name in places]
        if len(lists) > 1:
            yield Fault("command", f"{_in_braces(lists)} give every field twice; keep one")
        for word in self.words:
            yield from (
                Fault(
                    "command", f"{{{name}}} becomes several words and stands in {word!r}; let it stand alone"
                )
                for name in _PLACE.findall(word)
                if name in LISTS and word != f"{{{name}}}"
            )
        for path, leaf in leaves.items():
            place = f"{config.__name__}.{path}"
            if path in places:
                if not leaf.is_one_word:
                    text = f"{{{path}}} can only hold a number or text; give it by {{overrides}} or {{config_json}}"
                    yield Fault(place, text)
            elif lists:
                yield from _faults_of_flag(leaf, place) if lists[0] != OVERRIDES else ()
            elif not places & set(FILES):
                yield Fault(
                    place, f"the command gives it nowhere; add {{flags}}, or {{{path}}} where it belongs"
                )

    def _faults_of_program(self) -> Iterator[Fault]:
        """Find a program that cannot be started as it is meant."""
        program = self.words[0]
        if (why := holds_secret(" ".join(self.words))) is not None:
            yield Fault("command", why)
        if program in _SHELL_WORDS or _ASSIGNMENT.match(program):
            yield Fault("command", str(_no_shell(program)))
        running = sys.version_info
        same = ("3", f"3.{running.minor}")
        if (found := _PYTHON.fullmatch(program)) and found[1] is not None and found[1] not in same:
            yield Fault(
                "command",
                f"{program} is another interpreter than the one that runs this, 3.{running.minor}, whose packages "
                "are recorded; write python, and start this program by the one that the script needs",
            )

    def find_faults_of_further(self, words: Sequence[str]) -> Iterator[str]:
        """Find what is wrong with words that are added to the command, in which only `{out}` is filled."""
        for word in words:
            unknown = [found[0] for found in _NEAR_PLACE.finditer(word) if found[0] != f"{{{OUT}}}"]
            yield from (f"only {{out}} is filled in it, not {place}" for place in unknown)
            if not unknown and (fault := _fault_of_braces(word)):
                yield fault

    def fill(
        self,
        config: TrainingConfig,
        *,
        out: Path,
        scratch: Path,
        in_place_of_list: Sequence[str] | None = None,
    ) -> list[str]:
        """Give the words to be run.

        Args:
            config: of the training.
            out: folder for the script's results.
            scratch: folder for the files of `FILES`, where the command has such.
            in_place_of_list: words instead of the fields; None gives the fields.

        Raises:
            ValueError: a value cannot be written.
        """
        values = dict(_values_of(config))
        given: dict[str, Any] = {**values, OUT: str(out)}
        given |= {name: str(_write_config(config, scratch, name)) for name in self.places if name in FILES}
        listed = [(path, value) for path, value in values.items() if path not in (SEED, *self.places)]
        words: list[str] = []
        for word in self.words:
            name = word[1:-1]
            if word == f"{{{name}}}" and name in LISTS:
                words += _LISTED[name](listed) if in_place_of_list is None else in_place_of_list
            else:
                words.append(self._filled_word(word, given))
        return [sys.executable, *words[1:]] if _PYTHON.fullmatch(words[0]) else words

    def fill_further(self, words: Sequence[str], out: Path) -> list[str]:
        """Fill `{out}` in words that are added to the command, by the grammar that its own are written in."""
        return [self._filled_word(word, {OUT: str(out)}) for word in words]

    def _filled_word(self, word: str, given: Mapping[str, Any]) -> str:
        if self.list_place == OVERRIDES and _OVERRIDE.match(word) and _PLACE.search(word):
            return _filled_override(word, given)
        return _filled(word, given)

    def flags(self, config: type[TrainingConfig]) -> list[str]:
        """Name the flags by which `{flags}` or `{dashed_flags}` may give a config."""
        is_dashed = self.list_place == DASHED_FLAGS
        paths = [
            leaf.path for leaf in _leaves_of(config) if leaf.path not in self.places and not leaf.is_off_only
        ]
        return [_flag(path, is_dashed=is_dashed) for path in paths]


def paths_in_out(words: Sequence[str], out: Path) -> list[Path]:
    """Give the paths that words name as `{out}/…`, however each is written: alone, behind `--x=`, behind `key=`."""
    return [out / rest.strip("/") for word in words for rest in _PATH_IN_OUT.findall(word)]


def _no_shell(found: str) -> ValueError:
    return ValueError(
        f"no shell reads it, and {found} is for one; put the line into a file that the command runs, as in "
        "bash run.sh {flags} with \"$@\" for the flags, or write sh -c '…'; quote it where it is text"
    )


def _fault_of_braces(word: str) -> str | None:
    """Say that a brace is not closed, or not opened, so that what was meant for a place would stay text."""
    depth = 0
    for letter in word:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth < 0:
            break
    return f"{word!r} has a brace without its other one; write places as {{out}}" if depth else None


def field_of(config: TrainingConfig, path: str) -> Any:
    """Give the value of a field by its dotted path."""
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


def paths_of(config: type[TrainingConfig]) -> list[str]:
    """Name the fields, those of its parts too."""
    return [leaf.path for leaf in _leaves_of(config)]


def paths_of_whole_numbers(config: type[TrainingConfig]) -> list[str]:
    """Name the fields that hold a whole number."""
    return [leaf.path for leaf in _leaves_of(config) if leaf.arms == (int,)]


# -- fields ---------------------------------------------------------------------------------------


def _leaves_of(kind: type[FrozenModel], above: str = "", default: Any = None) -> Iterator[_Leaf]:
    for name, field in kind.model_fields.items():
        path = f"{above}{name}"
        if path == SEED:
            continue
        arms = arms_of(field.annotation)
        found = (
            getattr(default, name) if default is not None else field.get_default(call_default_factory=True)
        )
        models = [arm for arm in arms if isinstance(arm, type) and issubclass(arm, FrozenModel)]
        others = tuple(arm for arm in arms if arm not in models)
        for model in models:
            yield from _leaves_of(model, f"{path}.", found if type(found) is model else None)
        if others:
            yield _Leaf(path, others, found)


def _values_of(model: FrozenModel, above: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, FrozenModel):
            yield from _values_of(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _is_word(annotation: Any) -> bool:
    """Say whether values of a type are written as one word, from which a script reads the same value."""
    if typing.get_origin(annotation) is Literal:
        return all(
            isinstance(one, int | str) and not isinstance(one, bool) for one in typing.get_args(annotation)
        )
    is_enum = isinstance(annotation, type) and issubclass(annotation, enum.Enum)
    return is_enum or annotation in (int, float, str)


def _faults_of_flag(leaf: _Leaf, place: str) -> Iterator[Fault]:
    """Find what flags cannot say: they are there, with words behind them, or they are not."""
    if leaf.arms == (bool,):
        if leaf.default is not False:
            name = leaf.path.rpartition(".")[2]
            yield Fault(
                place,
                f"a flag that is left out cannot switch off what is on; write no_{name}: bool = False and let the "
                f"script take --no_{name}, or give the fields by {{overrides}} or {{config_json}}",
            )
        return
    if leaf.can_be_none and leaf.default is not None:
        yield Fault(
            place,
            "None is given by leaving the flag out, and the script would take its own default; make None the default "
            "here too, or give the fields by {overrides} or {config_json}",
        )
    for arm in leaf.arms:
        items = [item for item in typing.get_args(arm) if item is not Ellipsis]
        is_list = typing.get_origin(arm) is tuple and all(
            _is_word(one) for item in items for one in arms_of(item)
        )
        if arm is not type(None) and not _is_word(arm) and not is_list:
            yield Fault(
                place,
                "a flag can hold a number, text, or a tuple of these, or be a bool alone; give the fields by "
                "{overrides} or {config_json}",
            )


# -- how fields are written -------------------------------------------------------------------------


def _text(value: Any) -> str:
    plain = value.value if isinstance(value, enum.Enum) else value
    return plain if isinstance(plain, str) else repr(plain)


def _flag(path: str, *, is_dashed: bool) -> str:
    return f"--{path.replace('_', '-') if is_dashed else path}"


def _as_flags(values: Sequence[tuple[str, Any]], *, is_dashed: bool = False) -> list[str]:
    words: list[str] = []
    for path, value in values:
        flag = _flag(path, is_dashed=is_dashed)
        if value is None or value is False:
            continue
        if value is True:
            words.append(flag)
        elif isinstance(value, tuple):
            words += [flag, *(_word_in_list(path, item) for item in typing.cast(tuple[Any, ...], value))]
        else:
            text = _text(value)  # a word that begins with a dash would be taken for a flag
            words += [f"{flag}={text}"] if text.startswith("-") else [flag, text]
    return words


def _word_in_list(path: str, value: Any) -> str:
    if isinstance(value, float) and value < 0:
        return str(np.format_float_positional(value, trim="0"))  # argparse takes -1e-05 for a flag
    text = _text(value)
    if text.startswith("-") and isinstance(value, str):
        raise ValueError(
            f"{path}: {value!r} begins with a dash and would be taken for a flag; give it by {{config_json}}"
        )
    return text


def _as_overrides(values: Sequence[tuple[str, Any]]) -> list[str]:
    return [f"{path}={_in_hydra(value)}" for path, value in values]


def _in_hydra(value: Any) -> str:
    """Write a value by the grammar of Hydra's overrides."""
    if isinstance(value, enum.Enum):
        return _in_hydra(value.value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, tuple):
        return f"[{','.join(map(_in_hydra, typing.cast(tuple[Any, ...], value)))}]"
    if isinstance(value, FrozenModel):
        entries = ((name, getattr(value, name)) for name in type(value).model_fields)
        return "{" + ",".join(f"{name}:{_in_hydra(item)}" for name, item in entries) + "}"
    text = _text(value)
    if not isinstance(value, str) or _PLAIN_IN_HYDRA.fullmatch(text):
        return text
    # Backslashes count only before a quotation mark, before the end, and before an interpolation.
    text = re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + "\\${", text)
    text = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text)
    return f"'{text}'"


def _filled(word: str, given: Mapping[str, Any]) -> str:
    return _PLACE.sub(lambda found: _text(given[found[1]]), word)


def _filled_override(word: str, given: Mapping[str, Any]) -> str:
    """Fill `hydra.run.dir={out}` by the grammar of overrides, to which a path with a comma would be a list."""
    key, _, declared = word.partition("=")
    alone = _PLACE.fullmatch(declared)
    return f"{key}={_in_hydra(given[alone[1]] if alone else _filled(declared, given))}"


_LISTED = {
    FLAGS: _as_flags,
    DASHED_FLAGS: lambda values: _as_flags(values, is_dashed=True),  # pyright: ignore
    OVERRIDES: _as_overrides,
}


def _write_config(config: TrainingConfig, folder: Path, place: str) -> Path:
    fields = config.model_dump(mode="json")
    kind = place.removeprefix("config_")
    path = folder / f"config.{kind}"
    text = json.dumps(fields, indent=2) if kind == "json" else "".join(_yaml_lines(fields)) or "{}\n"
    path.write_text(text, encoding="utf-8")
    return path


def _yaml_lines(fields: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for name, value in fields.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{_in_yaml(name)}:\n"
            yield from _yaml_lines(typing.cast(Mapping[str, Any], value), f"{indent}  ")
        else:
            yield f"{indent}{_in_yaml(name)}: {_in_yaml(value)}\n"


def _in_yaml(value: Any) -> str:
    """Write what JSON writes, but for what YAML 1.1 reads otherwise: 1e-05 as text, and some characters not at all.

    Names are written like texts: a bare `no` or `on` is a truth value.
    """
    if isinstance(value, list):
        return f"[{', '.join(map(_in_yaml, typing.cast(list[Any], value)))}]"
    if isinstance(value, Mapping):
        entries = typing.cast(Mapping[str, Any], value).items()
        return "{" + ", ".join(f"{_in_yaml(name)}: {_in_yaml(item)}" for name, item in entries) + "}"
    if isinstance(value, float):
        return re.sub(r"^(-?\d+)e", r"\1.0e", json.dumps(value))
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _in_braces(names: Sequence[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)
