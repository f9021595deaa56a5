"""Which files a script is made of: those that its command names, or shell scripts among these, or a declaration."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tablewright.trainables.own.script_command import Command
from tablewright.trainables.value.refusal import Fault, guess, shown

PROGRAM_ENDINGS = (".py", ".sh", ".bash")
SHELL_ENDINGS = (".sh", ".bash")
_WORD_OF_SHELL = re.compile(r"[^\s'\"`;|&<>(){}$=,]+")


@dataclass(frozen=True)
class ScriptFiles:
    """Where the files of a script are named.

    Attributes:
        command: of it.
        sources: files and folders that were declared beside the command.
        home: the project, to which all of them are relative.
    """

    command: Command
    sources: tuple[str, ...]
    home: Path

    def find_faults(self) -> Iterator[Fault]:
        """Find what is named and is not there, or is too much."""
        for given in self.sources:
            path = self.home / given
            if self.home.is_relative_to(path.resolve()):
                text = f"{given!r} is all of {self.home}, results too; name the files and folders in it"
                yield Fault("sources", text)
            elif not path.exists():
                yield Fault("sources", f"{path} is not there; correct it")
        program = next((word for word in self.command.words if _is_program(word)), None)
        if program is not None and not _is_file(self.home / program):
            there = [
                path.relative_to(self.home).as_posix()
                for pattern in ("*", "*/*")
                for ending in PROGRAM_ENDINGS
                for path in self.home.glob(f"{pattern}{ending}")
            ]
            yield Fault(
                "command", f"{program} is not there{guess(program, there)} It is sought in {self.home}"
            )

    def find(self) -> Iterator[Path]:
        """Give the files, those in folders one by one; one may come twice."""
        yield from self._of_command()
        yield from self.find_declared()

    def find_declared(self) -> Iterator[Path]:
        """Give those of `sources`, as the folders stand now."""
        for path in (self.home / given for given in self.sources):
            if path.is_file():
                yield path
            inside = (file for file in sorted(path.rglob("*")) if file.is_file())
            yield from (file for file in inside if not _is_cache(file, path))

    def _of_command(self) -> Iterator[Path]:
        waiting: list[Path] = []
        for before, word in itertools.pairwise(["", *self.command.words]):
            if before == "-m":
                waiting += self._modules(word)
            elif before == "-c":
                waiting += self._named_in(word, self.home)
            else:
                waiting += self._file(word)
                waiting += self._file(word.partition("=")[2])
        seen: set[Path] = set()
        while waiting:
            file = waiting.pop(0)
            if file in seen:
                continue
            seen.add(file)
            yield file
            if file.suffix in SHELL_ENDINGS:
                waiting += self._named_in(file.read_text(encoding="utf-8", errors="replace"), file.parent)

    def _file(self, text: str, folder: Path | None = None) -> list[Path]:
        """Give the file of the project that a text is the path of, if there is one."""
        path = Path(os.path.normpath((folder or self.home) / text))
        return [path] if text and path.is_relative_to(self.home) and _is_file(path) else []

    def _named_in(self, text: str, folder: Path) -> list[Path]:
        """Find the files that a text for a shell names, behind variables too, as in `"$HERE/train.py"`."""
        words = _WORD_OF_SHELL.findall(text)
        found = [
            path
            for before, word in itertools.pairwise(words)
            if before == "-m"
            for path in self._modules(word)
        ]
        for word in words:
            steps = [step for step in word.split("/") if step]
            tails = ("/".join(steps[first:]) for first in range(len(steps)))
            found += next(
                (one for tail in tails for base in (self.home, folder) if (one := self._file(tail, base))), []
            )
        return found

    def _modules(self, dotted: str) -> list[Path]:
        """Give the file that `-m` runs, and what of its packages is run before it."""
        steps = dotted.split(".")
        place = "/".join(steps)
        found = [*self._file(f"{place}.py"), *self._file(f"{place}/__main__.py")]
        above = ("/".join([*steps[:depth], "__init__.py"]) for depth in range(1, len(steps) + 1))
        return found + [path for init in above for path in self._file(init)] if found else []


def listed_sources(given: Sequence[str] | str) -> tuple[str, ...]:
    """Take what was declared as sources.

    Raises:
        ValueError: it is no list of paths.
    """
    paths = [given] if isinstance(given, str) else given
    if not isinstance(paths, Sequence) or not all(isinstance(path, str) for path in paths):  # pyright: ignore
        raise ValueError(f'a list of paths is needed, such as ["src", "conf"]; got {shown(given)}')
    return tuple(paths)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a word that is no path: too long, or with a NUL in it
        return False


def _is_program(word: str) -> bool:
    return word.endswith(PROGRAM_ENDINGS) and not re.search(r"[\s{]", word)


def _is_cache(file: Path, folder: Path) -> bool:
    parts = file.relative_to(folder).parts
    return "__pycache__" in parts or any(part.startswith(".") for part in parts)
