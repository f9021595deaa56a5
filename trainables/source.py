"""What the code of a method of one's own is: a digest of every definition that it is made of.

Taken from the parsed text, so that comments, docstrings and layout count for nothing, and from a definition and all
that it refers to, so that another row of a table in the same file changes nothing. Of modules that are imported the
whole counts, as far as they lie in the same project; packages that are installed count by their versions in the record.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

PROJECT_MARKS = ("search_spaces", ".git", "pyproject.toml", "setup.py", "setup.cfg")
"""What lies in the topmost folder of a project."""
DECORATOR = "method"
"""Name of `trainables.function.method`, however it was imported."""
OURS = Path(__file__).resolve().parent.parent
OUR_FOLDERS = ("orchestrator", "trainables", "reports", "search_spaces", "tablewright", "sweep.py")

NOTHING: Mapping[str, str] = MappingProxyType({})

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Source:
    """The definitions that a method is made of.

    Attributes:
        definitions: file and name, such as `digits.py: Net` -> SHA-256 of it.
    """

    definitions: Mapping[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 of them all."""
        return _sha256(sorted(self.definitions.items()))


def source_of(
    file: Path, names: Iterable[str], configs: Iterable[str] = (), declared: Mapping[str, str] = NOTHING
) -> Source:
    """Read the source of a method.

    Args:
        file: in which it is defined.
        names: of its functions there.
        configs: of its config classes there, whose fields are part of a config and not of the code.
        declared: beside the code, and deciding what is trained as the code does: by name, in words.

    Raises:
        ValueError: a file cannot be parsed, or does not define a function.
    """
    project, names = project_of(file), list(names)
    module = _Module(file, project)
    absent = [name for name in names if not module.has(name)]
    if absent:
        raise ValueError(
            f"{file}: {', '.join(absent)} is not defined there by that name, so that nobody could say what a training "
            "was made by; define it with def in a file"
        )
    found = dict(module.reached([*names, *configs], without_fields_of=set(configs)))
    seen, open_files = {file}, module.imported_by(found)
    definitions = {f"{_place(file, project)}: {name}": digest for name, digest in found.items()}
    definitions |= {f"{_place(file, project)}: {name}": _sha256(text) for name, text in declared.items()}
    while open_files:
        other = open_files.pop()
        if other in seen:
            continue
        seen.add(other)
        further = _Module(other, project)
        definitions |= {f"{_place(other, project)}: {name}": digest for name, digest in further.everything()}
        open_files |= further.imported_by(None)
    return Source(definitions)


def project_of(file: Path) -> Path:
    """Find the topmost folder of the project that a file belongs to; its own folder where nothing marks one."""
    for folder in file.parents:
        if any((folder / mark).exists() for mark in PROJECT_MARKS):
            return folder
    return file.parent


class _OnlyWhatIsMeasured(ast.NodeTransformer):
    """Leaves of `@method(…)` above a function what measures it: labels of metrics and the like train nothing."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Put the measuring function in the decorator's place."""
        self.generic_visit(node)
        node.decorator_list = [part for decorator in node.decorator_list for part in _kept_of(decorator)]
        return node


def _kept_of(decorator: ast.expr) -> list[ast.expr]:
    called = decorator.func if isinstance(decorator, ast.Call) else None
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    if not isinstance(decorator, ast.Call) or name != DECORATOR:
        return [decorator]
    return [keyword.value for keyword in decorator.keywords if keyword.arg == "measure"]


class _Module:
    """One parsed file: its definitions by name, and which of its project's files it imports."""

    def __init__(self, file: Path, project: Path) -> None:
        self._file, self._project = file, project
        try:
            self._tree = _OnlyWhatIsMeasured().visit(ast.parse(file.read_bytes()))
        except (SyntaxError, ValueError, OSError) as error:
            where = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
            raise ValueError(
                f"{file}{where} cannot be parsed ({error}), so that nobody could say what a training was made by; "
                "mend it"
            ) from error
        self._named: dict[str, list[ast.stmt]] = {}
        self._others: list[ast.stmt] = []
        for index, statement in enumerate(self._tree.body):
            names = list(_names_of(statement))
            for name in names:
                self._named.setdefault(name, []).append(statement)
            is_docstring = index == 0 and isinstance(statement, ast.Expr) and _is_text(statement.value)
            if not names and not is_docstring and not _is_main(statement):
                self._others.append(statement)

    def has(self, name: str) -> bool:
        """Say whether it is defined at the top of the file."""
        return name in self._named

    def reached(self, names: Iterable[str], without_fields_of: set[str]) -> Iterator[tuple[str, str]]:
        """Give name and digest of the definitions of that names, and of all that they refer to in this file."""
        seen: set[str] = set()
        waiting = [*names, *(name for statement in self._others for name in _read_in(statement))]
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self._named:
                continue
            seen.add(name)
            for statement in self._named[name]:
                waiting += _read_in(statement)
            is_config = name in without_fields_of
            yield name, _sha256([_canonical(node, is_config=is_config) for node in self._named[name]])
        if self._others:
            yield "(what runs when it is imported)", _sha256([_canonical(node) for node in self._others])

    def everything(self) -> Iterator[tuple[str, str]]:
        """Give name and digest of every definition."""
        return self.reached([*self._named], set())

    def imported_by(self, names: Mapping[str, str] | None) -> set[Path]:
        """Give the project's files that the definitions of that names import; None stands for all of them."""
        if names is None:
            statements: Iterable[ast.stmt] = self._tree.body
        else:
            reached = [node for name in names for node in self._named.get(name, ())]
            statements = [*reached, *self._others]
        nodes = [node for statement in statements for node in ast.walk(statement)]
        return {file for node in nodes for file in self._files_of(node)}

    def _files_of(self, node: ast.AST) -> Iterator[Path]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from self._found(alias.name, 0)
        elif isinstance(node, ast.ImportFrom):
            yield from self._found(node.module or "", node.level)
            for alias in node.names:
                yield from self._found(
                    f"{node.module}.{alias.name}" if node.module else alias.name, node.level
                )

    def _found(self, dotted: str, level: int) -> Iterator[Path]:
        """Look a module up below the project; of a package its `__init__.py` and those above it count as well."""
        roots = [self._file.parents[level - 1]] if level else _roots(self._file, self._project)
        steps = [step for step in dotted.split(".") if step]
        for root in roots:
            place = root.joinpath(*steps)
            for file in (place.with_suffix(".py") if steps else place / "__init__.py", place / "__init__.py"):
                if file.is_file() and not _is_ours(file):
                    for depth in range(1, len(steps)):
                        package = root.joinpath(*steps[:depth]) / "__init__.py"
                        if package.is_file():
                            yield package.resolve()
                    yield file.resolve()
                    return


def _roots(file: Path, project: Path) -> list[Path]:
    """Folders of the project in which an import looks for modules, in its order."""
    on_path = [Path(entry or ".").resolve() for entry in sys.path]
    below = [
        folder for folder in on_path if folder.is_relative_to(project) and "site-packages" not in folder.parts
    ]
    return list(dict.fromkeys([file.parent, *below, project]))


def _is_ours(file: Path) -> bool:
    """Say whether a file is this program's, whose methods have versions of their own."""
    resolved = file.resolve()
    return any(resolved.is_relative_to(OURS / name) for name in OUR_FOLDERS)


def _place(file: Path, project: Path) -> str:
    return file.relative_to(project).as_posix() if file.is_relative_to(project) else file.name


def _names_of(statement: ast.stmt) -> Iterator[str]:
    """Give the names that a statement at the top of a module defines."""
    if isinstance(statement, Definition):
        yield statement.name
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        for alias in statement.names:
            yield (alias.asname or alias.name).partition(".")[0]
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
    elif not isinstance(statement, ast.Expr) and not _is_main(
        statement
    ):  # definitions under an `if` or a `try`
        inner = [node for node in ast.iter_child_nodes(statement) if isinstance(node, ast.stmt)]
        inner += [node for handler in getattr(statement, "handlers", ()) for node in handler.body]
        for node in inner:
            yield from _names_of(node)


def _read_in(statement: ast.stmt) -> list[str]:
    return [node.id for node in ast.walk(statement) if isinstance(node, ast.Name)]


def _is_main(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "__main__" in ast.dump(statement.test)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _canonical(node: Any, *, is_config: bool = False) -> Any:
    """Give a syntax tree as JSON that does not depend on the version of Python which parsed it."""
    if isinstance(node, ast.AST):
        fields = {
            name: _canonical(value)
            for name, value in ast.iter_fields(node)
            if value not in (None, []) and name not in ("ctx", "kind", "type_comment", "body")
        }
        body = getattr(node, "body", None)
        if isinstance(body, list):
            statements = [
                statement
                for index, statement in enumerate(body)
                if not (
                    index == 0
                    and isinstance(node, Definition)
                    and isinstance(statement, ast.Expr)
                    and _is_text(statement.value)
                )
                and not (is_config and isinstance(statement, ast.AnnAssign))
            ]
            fields["body"] = [_canonical(statement) for statement in statements]
        elif body is not None:
            fields["body"] = _canonical(body)
        return [type(node).__name__, fields]
    if isinstance(node, list):
        return [_canonical(item) for item in node]
    if node is None or isinstance(node, bool | int | str):
        return node
    return repr(node)  # floats, complex numbers, bytes, ...


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
