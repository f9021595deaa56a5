"""What the code of a method of one's own is: a digest of every definition that it is made of.

Taken from the parsed text, so that comments, docstrings and layout count for nothing, and from a definition and all
that it refers to, so that another row of a table in the same file changes nothing. Of modules that are imported the
whole counts, as far as they lie in the same project or its checkout; packages that are installed count by their
versions in the record.
What is looked up by a name that is made while it runs, as `globals()[name]`, is not seen.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import json
import os
import sys
import sysconfig
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any

from tablewright.trainables.contract.program import OURS, PRODUCT, STUDIES_FOLDER
from tablewright.trainables.file_version import sha256_of, version_of
from tablewright.trainables.own.config_models import models_of

PROJECT_MARKS = (STUDIES_FOLDER, ".git", "pyproject.toml", "setup.py", "setup.cfg")
"""What lies in the topmost folder of a project."""
DECORATOR = "method"
"""Name of `trainables.own.function.method`, however it was imported."""
DECORATORS_MODULES = ("tablewright", "tablewright.trainables.own.function")
OUR_FOLDERS = ("orchestrator", "trainables", "reports", PRODUCT, "sweep.py")
INSTALLED = frozenset(
    Path(path).resolve()
    for name, path in sysconfig.get_paths().items()
    if name in ("stdlib", "platstdlib", "purelib", "platlib")
)
PACKAGES_FOLDERS = frozenset({"site-packages", "dist-packages"})
NOTHING: Mapping[str, str] = MappingProxyType({})
AT_IMPORT = "(what runs when it is imported)"
FROM_METHOD = "is_measuring_function"
"""Attribute of a node that took a `@method(…)`'s place."""
HARMLESS_DECORATORS = frozenset(
    (
        "dataclass",
        "dataclass_transform",
        "cache",
        "lru_cache",
        "cached_property",
        "singledispatch",
        "total_ordering",
        "wraps",
        "contextmanager",
        "asynccontextmanager",
        "property",
        "staticmethod",
        "classmethod",
        "abstractmethod",
        "final",
        "override",
        "overload",
        "no_grad",
        "enable_grad",
        "inference_mode",
        "jit",
        "njit",
        "script",
        "compile",
        "method",
        "runtime_checkable",
        "unique",
    )
)
"""Give back the function or class alone, and keep it nowhere."""
AS_PROGRAM = "(what runs when it is run)"

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Scope = (*Definition.__args__, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
"""What binds names of its own."""


@dataclass(frozen=True)
class Source:
    """The definitions that a method is made of.

    Attributes:
        definitions: file and name, such as `digits.py: Net` -> SHA-256 of it.
        imports: top-level modules outside the project and the standard library that they import, such as `sklearn`.
    """

    definitions: Mapping[str, str]
    imports: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the definitions."""
        return _sha256(sorted(self.definitions.items()))


def source_of(
    file: Path,
    names: Iterable[str] = (),
    configs: Iterable[str] = (),
    *,
    lines: Iterable[int] = (),
    models: Mapping[Path, Collection[str]] | None = None,
    declared: Mapping[str, str] = NOTHING,
) -> Source:
    """Read the source of a method.

    Args:
        file: in which it is defined.
        names: of its functions there.
        configs: of its config classes there, whose fields are part of a config and not of the code.
        lines: of that file; the statements at its top that hold them belong to the method as well.
        models: further classes whose fields are part of a config: file -> qualified names.
        declared: beside the code, and deciding what is trained as the code does: by name, in words.

    Raises:
        ValueError: a file cannot be parsed, or does not define a function.
    """
    names, configs = list(names), list(configs)
    fields_of = {path.resolve(): {*some} for path, some in (models or {}).items()}
    fields_of.setdefault(file.resolve(), set()).update(configs)
    project = project_of(file)

    def read(path: Path) -> _Module:
        return _Module(path, project, fields_of.get(path.resolve(), set()))

    module = read(file)
    absent = [name for name in names if not module.has(name)]
    if absent:
        raise ValueError(
            f"{file}: {', '.join(absent)} is not defined there by that name, so that nobody could say what a training "
            "was made by; define it with def in a file"
        )
    entries = [*names, *module.names_at(lines)]
    entries += [name.partition(".")[0] for name in fields_of[file.resolve()]]
    definitions: dict[str, str] = {}
    imports: set[str] = set()
    waiting = [path for path in fields_of if _is_of(path, project) and not _is_ours(path)]
    waiting = [path for path in waiting if path != file.resolve()]
    found = module.read_definitions(entries, waiting.append, imports.add)
    seen: set[Path] = set()
    while waiting:
        other = waiting.pop()
        if other in seen:
            continue
        seen.add(other)
        if other.resolve() == file.resolve():  # it is imported as a module: whoever does may use all of it
            found = module.read_definitions(None, waiting.append, imports.add)
        else:
            of_other = read(other).read_definitions(None, waiting.append, imports.add)
            definitions |= {f"{_place(other, project)}: {name}": digest for name, digest in of_other.items()}
    definitions |= {f"{_place(file, project)}: {name}": digest for name, digest in found.items()}
    definitions |= {f"{_place(file, project)}: {name}": _sha256(text) for name, text in declared.items()}
    return Source(definitions, tuple(sorted(imports)))


@functools.cache
def definitions_of_class(config: type[Any]) -> Mapping[str, str]:
    """Give the definitions that a class of configs is made of, with the networks it names; none of what is ours.

    Raises:
        ValueError: its file cannot be parsed.
    """
    try:
        file = Path(inspect.getfile(config)).resolve()
    except (TypeError, OSError):  # made while it runs, in no file
        return NOTHING
    if file.is_relative_to(OURS):
        return NOTHING
    return source_of(file, models=models_of(config)).definitions


def source_of_program(files: Iterable[Path], project: Path) -> Source:
    """Read the source of a program that is run as it is.

    Args:
        files: that it is made of: of Python all that they define and run, of others their content. What they import of
            the project and is not among them counts as well.
        project: its topmost folder.

    Raises:
        ValueError: a file cannot be read or parsed.
    """
    named = dict.fromkeys(file.resolve() for file in files)
    run = [file for file in named if file.suffix == ".py"]
    definitions = {_place(file, project): sha256_of(version_of(file)) for file in named if file not in run}
    beside = tuple(dict.fromkeys(file.parent for file in run))
    imports: set[str] = set()
    seen: set[Path] = set()
    waiting = [*run]
    while waiting:
        file = waiting.pop().resolve()
        if file in seen:
            continue
        seen.add(file)
        module = _Module(file, project, (), beside=beside)
        found = module.read_definitions(None, waiting.append, imports.add, as_main=file in run)
        definitions |= {f"{_place(file, project)}: {name}": digest for name, digest in found.items()}
    return Source(definitions, tuple(sorted(imports)))


def definitions_now(
    source: Source, file: Path, models: Mapping[Path, Collection[str]] | None = None
) -> dict[str, str]:
    """Read the modules that a method imports again: one that it imports later on would be another than was read.

    Args:
        source: that was read when the method was declared.
        file: in which it is declared, which is in memory as it was read and is not read again.
        models: as in `source_of`.

    Raises:
        ValueError: a file cannot be parsed.
    """
    project = project_of(file)
    fields_of = {path.resolve(): {*some} for path, some in (models or {}).items()}
    found: dict[str, str] = {}
    for place in dict.fromkeys(name.partition(": ")[0] for name in source.definitions):
        path = project / place
        if path.resolve() == file.resolve():
            found |= {
                name: digest for name, digest in source.definitions.items() if name.startswith(f"{place}: ")
            }
        elif path.is_file():
            module = _Module(path, project, fields_of.get(path.resolve(), set()))
            digests = module.read_definitions(None, lambda file: None, lambda name: None)
            found |= {f"{place}: {name}": digest for name, digest in digests.items()}
    return found


def place_of_call(frame: FrameType) -> tuple[Path, list[int]]:
    """Say where a frame stands: its file, and the lines at which that file was run when it was entered.

    A declaration belongs to the statement that makes it, whatever decorators have put in a function's place, and to
    those that call the function which makes it.
    """
    name, lines = frame.f_code.co_filename, list[int]()
    caller: FrameType | None = frame
    while caller is not None:
        if caller.f_code.co_filename == name:
            lines.append(caller.f_lineno)
        caller = None if caller.f_code.co_name == "<module>" else caller.f_back
    return Path(name).absolute(), lines


def project_of(file: Path) -> Path:
    """Find the folder of the project that a file belongs to; its own folder where nothing marks one."""
    for folder in file.parents:
        if any((folder / mark).exists() for mark in PROJECT_MARKS):
            return folder
    return file.parent


@functools.cache
def _checkout_of(project: Path) -> Path:
    """Find the checkout that a project is a folder of, whose other folders may be its libraries; else itself."""
    for folder in (project, *project.parents):
        if (folder / ".git").exists() and folder != Path.home():
            return folder
    return project


class _OnlyWhatIsMeasured(ast.NodeTransformer):
    """Leaves of `@method(…)` above a function what measures it: labels of metrics and the like train nothing."""

    def __init__(self, tree: ast.Module) -> None:
        """Learn by which names the file has the decorator."""
        self._bound = set(_bound_in(tree))
        self._names: set[str] = set()
        self._modules: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in DECORATORS_MODULES:
                self._names |= {alias.asname or alias.name for alias in node.names if alias.name == DECORATOR}
            elif isinstance(node, ast.Import):
                self._modules |= {
                    (alias.asname or alias.name).partition(".")[0]
                    for alias in node.names
                    if alias.name in DECORATORS_MODULES
                }

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Put the measuring function in the decorator's place."""
        self.generic_visit(node)
        node.decorator_list = [part for decorator in node.decorator_list for part in self._kept_of(decorator)]
        return node

    def _kept_of(self, decorator: ast.expr) -> list[ast.expr]:
        if not isinstance(decorator, ast.Call) or not self._is_ours(decorator.func):
            return [decorator]
        kept = [keyword.value for keyword in decorator.keywords if keyword.arg in ("measure", None)]
        for node in kept:
            setattr(node, FROM_METHOD, True)
        return kept

    def _is_ours(self, called: ast.expr) -> bool:
        """Say whether it is `method` of this program, and not that of another package."""
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            owner = called.value.id
            return called.attr == DECORATOR and (owner in self._modules or owner not in self._bound)
        if isinstance(called, ast.Name):
            return called.id in self._names or (called.id == DECORATOR and DECORATOR not in self._bound)
        return False


class _WithoutFields(ast.NodeTransformer):
    """Takes the fields out of classes of configs: their values are in a config, and compared there."""

    def __init__(self, models: Collection[str]) -> None:
        """Of the classes with these qualified names."""
        self._models, self._path = models, list[str]()
        self.fields: list[ast.AnnAssign] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Go into it: a class may be defined in a function."""
        return self._inside(node, node.name, "<locals>")

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        """Take its fields out, if it is one."""
        node = self._inside(node, node.name)
        if ".".join([*self._path, node.name]) in self._models:
            fields = [statement for statement in node.body if _is_field(statement)]
            self.fields += [field for field in fields if isinstance(field, ast.AnnAssign)]
            node.body = [statement for statement in node.body if statement not in fields]
        return node

    def _inside(self, node: Any, *path: str) -> Any:
        self._path += path
        self.generic_visit(node)
        del self._path[-len(path) :]
        return node


def _is_field(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
        return False
    return not (statement.target.id.startswith("_") or "ClassVar" in ast.unparse(statement.annotation))


class _Module:
    """One parsed file: its definitions by name, and which of its project's files it imports."""

    def __init__(
        self, file: Path, project: Path, models: Collection[str], *, beside: tuple[Path, ...] = ()
    ) -> None:
        self._file, self._project, self._beside = file, project, beside
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError, OSError) as error:
            where = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
            raise ValueError(
                f"{file}{where} cannot be parsed ({error}), so that nobody could say what a training was made by; "
                "mend it"
            ) from error
        self._spans = [(_first_line(statement), statement) for statement in tree.body]
        _OnlyWhatIsMeasured(tree).visit(tree)
        stripped = _WithoutFields(models)
        stripped.visit(tree)
        self._fields = stripped.fields
        self._body = [
            statement for statement in tree.body if not (_is_text(statement) or _is_main(statement))
        ]
        self._main = [statement for statement in tree.body if _is_main(statement)]
        own = {*_bound_in(tree, with_imports=False)}
        self._named: dict[str, list[ast.stmt]] = {}
        self._others: list[ast.stmt] = []
        for statement in self._body:
            names = {*_bound_in(statement), *(_owners_of(statement) & own)}
            for name in sorted(names):
                self._named.setdefault(name, []).append(statement)
            if not names or _acts(statement, own):
                self._others.append(statement)
        self._subclasses: dict[str, list[str]] = {}
        for statement in self._body:
            if isinstance(statement, ast.ClassDef):
                for base in _read_in(statement.bases):
                    self._subclasses.setdefault(base, []).append(statement.name)
        is_read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        self._for_effect = [  # an import that nothing reads
            node
            for node in self._body
            if isinstance(node, ast.Import | ast.ImportFrom) and not is_read & {*_bound_in(node)}
        ]

    def has(self, name: str) -> bool:
        """Say whether it is defined at the top of the file."""
        return name in self._named

    def names_at(self, lines: Iterable[int]) -> Iterator[str]:
        """Give the names that the statements at these lines define."""
        for line in lines:
            before = [statement for first, statement in self._spans if first <= line]
            yield from _bound_in(before[-1]) if before else ()

    def read_definitions(
        self,
        names: Iterable[str] | None,
        follow: Callable[[Path], Any],
        outside: Callable[[str], Any],
        *,
        as_main: bool = False,
    ) -> dict[str, str]:
        """Give name -> digest of definitions, and of all that they refer to in this file.

        Args:
            names: of the definitions; None for all that the file has.
            follow: is told every file of the project that they import.
            outside: is told every other module that they import.
            as_main: whether what the file does only where it is the program counts as well.
        """
        main = self._main if as_main else []
        seen: set[str] = set()
        found: dict[str, str] = {}
        waiting = [*(self._named if names is None else names), *_read_in(self._others)]
        waiting += self._classes_in(self._fields)
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self._named:
                continue
            seen.add(name)
            waiting += _read_in(self._named[name])
            waiting += self._subclasses.get(name, ())  # which it can find by itself
            found[name] = _sha256([_canonical(node) for node in self._named[name]])
        if self._others:
            found[AT_IMPORT] = _sha256([_canonical(node) for node in self._others])
        if main:
            found[AS_PROGRAM] = _sha256([_canonical(node) for node in main])
        statements = [node for name in seen for node in self._named[name]]
        for node in _nodes_in([*statements, *self._others, *self._for_effect, *main]):
            for dotted, level in _imports_of(node):
                for file in self._files_of(dotted, level):
                    follow(file)
                if not level and not self._is_of_project(dotted.partition(".")[0]):
                    _tell_outside(dotted, outside)
        return found

    def _classes_in(self, fields: Iterable[ast.stmt]) -> Iterator[str]:
        """Give the classes that fields of a config may hold, for the methods that they bring.

        A constant beside them is a value of the config, or says which values it may have.
        """
        seen: set[str] = set()
        waiting = _read_in(fields)
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for statement in self._named.get(name, ()):
                if isinstance(statement, ast.Assign | ast.AnnAssign):
                    waiting += _read_in([statement])
                elif not isinstance(statement, ast.FunctionDef):
                    yield name

    def _files_of(self, dotted: str, level: int) -> Iterator[Path]:
        """Look a module up in the project; of a package its `__init__.py` and those above it count as well.

        A name that ends in a dot stands for all modules of a package.
        """
        is_all = dotted.endswith(".")
        steps = [step for step in dotted.split(".") if step]
        for root in [self._file.parents[level - 1]] if level else self._roots(steps):
            place = root.joinpath(*steps)
            file = next((one for one in _files_at(place, steps) if one.is_file()), None)
            if file is None and not (is_all and place.is_dir()):
                continue
            above = [root.joinpath(*steps[:depth]) / "__init__.py" for depth in range(1, len(steps))]
            all_of_it = sorted(place.glob("*.py")) if is_all else []
            for found in [*above, *([file] if file else []), *all_of_it]:
                if found.is_file() and not _is_ours(found):
                    yield found
            return

    def _is_of_project(self, module: str) -> bool:
        return any(_holds(root, module) for root in self._roots([module]))

    def _roots(self, steps: list[str]) -> list[Path]:
        """Folders in which a module lies, as an import finds it; none where that is outside the project."""
        first = steps[0] if steps else ""
        # A program finds what lies beside it before all else, whatever this process would find.
        if own := [
            folder
            for folder in self._beside
            if (folder / first).is_dir() or (folder / f"{first}.py").is_file()
        ]:
            return own
        found = _folders_of(first) if steps else None
        if found is not None:
            return [folder for folder in found if _is_of(folder, self._project)]
        on_path = [Path(entry or ".").absolute() for entry in sys.path]
        below = [folder for folder in on_path if _is_of(folder, self._project)]
        return list(dict.fromkeys([self._file.parent, *below, self._project]))


def _holds(folder: Path, module: str) -> bool:
    return (folder / module).is_dir() or (folder / f"{module}.py").is_file()


def _files_at(place: Path, steps: list[str]) -> list[Path]:
    as_module = [place.parent / f"{place.name}.py"] if steps else []
    return [place / "__init__.py", *as_module]  # the order of an import


def _folders_of(module: str) -> list[Path] | None:
    """Folders from which Python imports a top-level module; None where it does not know it."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations is not None:
        return [Path(folder).parent for folder in spec.submodule_search_locations]
    return [Path(spec.origin).parent] if spec.has_location and spec.origin else []


def _is_of(path: Path, project: Path) -> bool:
    """Say whether a path is of a project, and not that of a package which is installed in a folder of it."""
    real = path.resolve()
    is_installed = bool(PACKAGES_FOLDERS & {*path.parts, *real.parts}) or any(
        real.is_relative_to(folder) for folder in INSTALLED
    )
    whole = _checkout_of(project)
    is_below = path.is_relative_to(whole) or real.is_relative_to(whole.resolve())
    return is_below and not is_installed


def _is_ours(file: Path) -> bool:
    """Say whether a file is this program's, whose methods have versions of their own."""
    resolved = file.resolve()
    return any(resolved.is_relative_to(OURS / name) for name in OUR_FOLDERS)


def _place(file: Path, project: Path) -> str:
    for path, folder in ((file, project), (file.resolve(), project.resolve())):
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return Path(os.path.relpath(file, project)).as_posix()


def _tell_outside(dotted: str, outside: Callable[[str], Any]) -> None:
    module = dotted.partition(".")[0]
    if module not in ("", PRODUCT) and module not in sys.stdlib_module_names:
        outside(module)


def _imports_of(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Give dotted name and level of the modules that a node imports."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, 0
    elif isinstance(node, ast.ImportFrom):
        yield node.module or "", node.level
        if node.level or node.module:
            for alias in node.names:
                yield f"{node.module}.{alias.name}" if node.module else alias.name, node.level
    elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (
        "import_module",
        "__import__",
    ):
        given = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "name")][:1]
        text = _beginning_of(given[0]) if given else ""
        name = text.lstrip(".")
        level = len(text) - len(name)
        if name:
            yield name, level


def _beginning_of(node: ast.expr) -> str:
    """Give the text that a name surely begins with, up to its last dot where the rest is made while it runs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        first = node.left
    text = _beginning_of(first) if first is not None else ""
    return text[: text.rfind(".") + 1]


def _bound_in(node: ast.AST, *, with_imports: bool = True) -> Iterator[str]:
    """Give the names that a statement at the top of a module, or a whole module, binds there."""
    if isinstance(node, Definition):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names if with_imports else ():
            if alias.name != "*":
                yield (alias.asname or alias.name).partition(".")[0]
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    if isinstance(node, Scope):
        return
    for inner in ast.iter_child_nodes(node):
        yield from _bound_in(inner, with_imports=with_imports)


def _owners_of(statement: ast.AST) -> set[str]:
    """Give the names whose attributes or entries a statement sets."""
    found: set[str] = set()
    for target in _targets_in(statement):
        if isinstance(target, ast.Attribute | ast.Subscript):
            owner: ast.expr = target
            while isinstance(owner, ast.Attribute | ast.Subscript):
                owner = owner.value
            found |= {owner.id} if isinstance(owner, ast.Name) else {""}
    return found


def _targets_in(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, Scope):
        return
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
    for inner in ast.iter_child_nodes(node):
        yield from _targets_in(inner)


def _acts(statement: ast.stmt, own: Collection[str]) -> bool:
    """Say whether a statement does more than to define names, such as to set what another module has."""
    if isinstance(statement, ast.ImportFrom):
        return any(alias.name == "*" for alias in statement.names)
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return any(owner not in own for owner in _owners_of(statement))
    if isinstance(statement, Definition):
        return any(_may_register(decorator) for decorator in statement.decorator_list)
    if isinstance(statement, ast.Import | ast.Pass):
        return False
    if isinstance(statement, ast.Expr):
        return not _is_text(statement)
    inner = [*_statements_in(statement)]
    return not inner or any(_acts(node, own) for node in inner)


def _may_register(decorator: ast.expr) -> bool:
    """Say whether a decorator may keep what it stands above, for others to find, as a registry does.

    Those that are known to give back a function or class alone, and what this program has put there, do not.
    """
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = ast.unparse(called).rpartition(".")[2]
    return not hasattr(decorator, FROM_METHOD) and name not in HARMLESS_DECORATORS


def _statements_in(node: ast.AST) -> Iterator[ast.stmt]:
    """Give the statements in the blocks of a compound one, which may be in its handlers or cases."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.stmt):
            yield inner
        elif not isinstance(inner, ast.expr):
            yield from _statements_in(inner)


def _first_line(statement: ast.stmt) -> int:
    decorators = statement.decorator_list if isinstance(statement, Definition) else []
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _nodes_in(statements: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for statement in statements:
        yield from ast.walk(statement)


def _read_in(statements: Iterable[ast.AST]) -> list[str]:
    return [node.id for node in _nodes_in(statements) if isinstance(node, ast.Name)]


def _is_main(statement: ast.stmt) -> bool:
    """Say whether it runs only where the file is the program."""
    if not isinstance(statement, ast.If) or statement.orelse or not isinstance(statement.test, ast.Compare):
        return False
    return isinstance(statement.test.ops[0], ast.Eq) and "__main__" in ast.dump(statement.test)


def _is_text(node: ast.AST) -> bool:
    """Say whether it is a text that stands alone, as docstrings of modules, functions and constants do."""
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _canonical(node: Any) -> Any:
    """Give a syntax tree as JSON that does not depend on the version of Python which parsed it."""
    if isinstance(node, ast.AST):
        fields = {
            name: _canonical(value)
            for name, value in ast.iter_fields(node)
            if value not in (None, []) and name not in ("ctx", "kind", "type_comment", "body")
        }
        body = getattr(node, "body", None)
        if isinstance(body, list):
            fields["body"] = [_canonical(statement) for statement in body if not _is_text(statement)]
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
