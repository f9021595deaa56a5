"""A LaTeX source made into a PDF by whichever TeX there is, the same bytes from the same source."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 300.0
"""Of one run of TeX: a report of hundreds of pages takes a tenth of it."""

MAX_RUNS = 4
"""A table of contents, and tables that learn their widths, settle in two or three."""

LOG_LINES = 12


@dataclass(frozen=True)
class Tex:
    """A program that makes PDF of LaTeX.

    Attributes:
        name: of it.
        path: of it.
        has_unicode: whether it prints any script by the fonts of the system.
    """

    name: str
    path: str
    has_unicode: bool


class TexFailed(ValueError):
    """TeX could not make a PDF; says what it said."""


def find_tex(*, needs_unicode: bool = False) -> Tex | None:
    """Find a TeX on this machine, one that is quick before others; None where there is none."""
    programs = {"pdflatex": False, "lualatex": True, "xelatex": True, "tectonic": True}
    for name, has_unicode in programs.items():
        path = shutil.which(name)
        if path is not None and (has_unicode or not needs_unicode):
            return Tex(name, path, has_unicode)
    return None


def make_pdf(source: str, files: Mapping[str, bytes], tex: Tex) -> bytes:
    """Make a PDF, which knows no time and no place.

    Args:
        source: a whole document.
        files: what it includes: path as the source names it -> content.
        tex: the program.

    Raises:
        TexFailed: TeX found an error, or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="tablewright-tex-") as folder:
        place = Path(folder)
        for name, content in {**files, "report.tex": source.encode()}.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
        before = None
        for _ in range(MAX_RUNS):
            _run(tex, place)
            state = {name: _content(place / name) for name in ("report.aux", "report.toc")}
            if tex.name == "tectonic" or state == before:
                break
            before = state
        return (place / "report.pdf").read_bytes()


def _run(tex: Tex, place: Path) -> None:
    options = (
        ["--outdir", "."]
        if tex.name == "tectonic"
        else ["-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "-file-line-error"]
    )
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "max_print_line": "1000"}
    try:
        done = subprocess.run(
            [tex.path, *options, "report.tex"],
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TexFailed(f"{tex.name} had not ended after {LIMIT_S:.0f} s") from None
    if done.returncode or not (place / "report.pdf").exists():
        raise TexFailed(f"{tex.name} ended with {done.returncode}:\n{_words_of(done.stdout)}")


def _words_of(output: bytes) -> str:
    """Give the lines that say what was wrong, or else the last ones."""
    lines = output.decode("utf-8", "replace").splitlines()
    first = next(
        (place for place, line in enumerate(lines) if line.startswith("!") or ".tex:" in line), -LOG_LINES
    )
    return "\n".join(lines[first:][:LOG_LINES])


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
