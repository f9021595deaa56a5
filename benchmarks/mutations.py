"""Ways in which a file comes to harm, each from a generator of random numbers: on discs, by editors, by hand.

A mutation changes one file, or what lies in its place, and says in a few words what it did.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import shutil
import sqlite3
import struct
import tempfile
import tokenize
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tablewright.orchestrator.identity import digest_of
from tablewright.orchestrator.store.record import CHECKSUM

Content = Callable[[bytes, random.Random], bytes]
"""Gives another content."""

HEAD_BYTES = 96
"""Where headers lie."""
HUGE_SIZES = (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x80")
ODD_VALUES: Sequence[str] = (
    "null",
    "true",
    "[]",
    "{}",
    '""',
    '"x"',
    "-1",
    "1e400",
    "-1e400",
    "NaN",
    "1" + "0" * 400,
    "1" + "0" * 5000,
    "0.5",
    '"\\ud800"',
    '"NaN"',
    '["a"]',
    '{"a": 1}',
    "[" * 200 + "]" * 200,
    "[" * 100_000 + "]" * 100_000,
)
"""JSON of another type, out of every range, or nested deeply."""
ODD_WORDS = (
    "-1",
    "0",
    "",
    "x",
    "1e400",
    "nan",
    "9" * 30,
    "1" + "0" * 5000,
    "\u0661",
    "../..",
    "/dev/zero",
    "a\tb",
)


def flip(content: bytes, rng: random.Random) -> bytes:
    """Turn one to eight bits."""
    return _flip(content, rng, len(content))


def flip_head(content: bytes, rng: random.Random) -> bytes:
    """Turn bits where a header lies."""
    return _flip(content, rng, min(len(content), HEAD_BYTES))


def flip_end(content: bytes, rng: random.Random) -> bytes:
    """Turn bits at the end, where Parquet and zip have what they hold."""
    cut = max(0, len(content) - HEAD_BYTES)
    return content[:cut] + _flip(content[cut:], rng, len(content) - cut)


def _flip(content: bytes, rng: random.Random, limit: int) -> bytes:
    mutated = bytearray(content)
    for _ in range(rng.randint(1, 8) if limit else 0):
        mutated[rng.randrange(limit)] ^= 1 << rng.randrange(8)
    return bytes(mutated)


def cut(content: bytes, rng: random.Random) -> bytes:
    """End it somewhere."""
    return content[: rng.randrange(len(content))] if content else b""


def cut_last(content: bytes, rng: random.Random) -> bytes:
    """Lose a few bytes at the end."""
    return content[: -rng.randint(1, 16)]


def empty(content: bytes, rng: random.Random) -> bytes:
    """Lose all of it."""
    return b""


def zeros(content: bytes, rng: random.Random) -> bytes:
    """Be blocks of zeros from somewhere on, as after a power cut."""
    kept = rng.choice([0, rng.randrange(len(content) + 1)])
    return content[:kept] + bytes(len(content) - kept)


def noise(content: bytes, rng: random.Random) -> bytes:
    """Be other bytes."""
    return rng.randbytes(rng.choice([1, 7, len(content), 5000]))


def twice(content: bytes, rng: random.Random) -> bytes:
    """Be there twice."""
    return content + content


def lengthened(content: bytes, rng: random.Random) -> bytes:
    """Have something after its end."""
    return content + rng.choice([b"\0", b"\n", b"x", b"}\n", rng.randbytes(40)])


def huge_size(content: bytes, rng: random.Random) -> bytes:
    """Declare a huge size somewhere in its head or its end."""
    size = rng.choice(HUGE_SIZES)
    place = rng.randrange(min(len(content), HEAD_BYTES) or 1)
    place = rng.choice([place, max(0, len(content) - 1 - place)])
    return content[:place] + size + content[place + len(size) :]


def byte_order_mark(content: bytes, rng: random.Random) -> bytes:
    """Begin with a mark."""
    return b"\xef\xbb\xbf" + content


def carriage_returns(content: bytes, rng: random.Random) -> bytes:
    """Have the line ends of Windows."""
    return content.replace(b"\n", b"\r\n")


def other_encoding(content: bytes, rng: random.Random) -> bytes:
    """Be text in another encoding."""
    text = content.decode("latin-1")
    return text.encode(rng.choice(["utf-16", "utf-16-le", "utf-32"]))


def strange_sign(content: bytes, rng: random.Random) -> bytes:
    """Have a byte in it that no text has, or a sign that nobody sees."""
    place = rng.randrange(len(content) + 1)
    sign = rng.choice([b"\0", b"\xe9", b"\xff", b"\xe2\x80\xae", b"\xc2\xa0", b"\x1b[31m", b"\x0c"])
    return content[:place] + sign + content[place:]


BYTES: Sequence[Content] = (
    flip,
    flip_head,
    flip_end,
    cut,
    cut_last,
    empty,
    zeros,
    noise,
    twice,
    lengthened,
    huge_size,
)
TEXT: Sequence[Content] = (byte_order_mark, carriage_returns, other_encoding, strange_sign)


def lines(content: bytes, rng: random.Random) -> bytes:
    """Lose, double or swap a line, or have another word in one."""
    found = content.split(b"\n")
    place = rng.randrange(len(found))
    match rng.randrange(4):
        case 0:
            del found[place]
        case 1:
            found.insert(place, found[place])
        case 2:
            other = rng.randrange(len(found))
            found[place], found[other] = found[other], found[place]
        case _:
            words = re.split(rb"([ ,;/_])", found[place])
            words[rng.randrange(len(words))] = rng.choice(ODD_WORDS).encode()
            found[place] = b"".join(words)
    return b"\n".join(found)


def json_value(content: bytes, rng: random.Random) -> bytes:
    """Have an odd value in the place of one of its values, or lose it, or name it twice."""
    return _edit_json(content, rng, is_sealed_again=False)


def sealed_json_value(content: bytes, rng: random.Random) -> bytes:
    """Be edited likewise by somebody who mends the checksum as well."""
    return _edit_json(content, rng, is_sealed_again=True)


def _edit_json(content: bytes, rng: random.Random, *, is_sealed_again: bool) -> bytes:
    try:
        tree: Any = json.loads(content)
    except (ValueError, RecursionError):
        return flip(content, rng)
    places = [place for place in _places(tree) if not is_sealed_again or place != (CHECKSUM,)]
    if not places:
        return rng.choice(ODD_VALUES).encode()
    place = rng.choice(places)
    inner = tree
    for part in place[:-1]:
        inner = inner[part]
    way = rng.randrange(4)
    mark = "\x01mutated\x01"
    odd = rng.choice(ODD_VALUES)
    if is_sealed_again and isinstance(
        inner[place[-1]], int | float
    ):  # another number is no damage that shows
        odd = rng.choice([value for value in ODD_VALUES if value not in ("-1", "0.5")])
    if way == 0 and isinstance(inner, dict):
        del inner[place[-1]]
    elif way == 1 and isinstance(inner, dict):
        inner[f"{place[-1]} again"] = inner[place[-1]]
    elif way == 2 and isinstance(inner, dict) and not is_sealed_again:
        text = json.dumps(tree)
        name = json.dumps(place[-1])
        return text.replace(f"{name}: ", f"{name}: {odd}, {name}: ", 1).encode()
    else:
        inner[place[-1]] = mark
    if is_sealed_again and isinstance(tree, dict):
        try:
            probe = json.loads(json.dumps(tree).replace(json.dumps(mark), odd))
            probe.pop(CHECKSUM, None)
            tree[CHECKSUM] = digest_of(probe)
        except (ValueError, RecursionError, OverflowError):
            pass  # no checksum can be made of it
    return json.dumps(tree).replace(json.dumps(mark), odd).encode()


def _places(tree: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found: list[tuple[Any, ...]] = []
    for key, value in inner:
        found += [(*above, key), *_places(value, (*above, key))]
    return found


def parquet_columns(content: bytes, rng: random.Random) -> bytes:
    """Be a whole table with a column lost, empty, of another type, or of another length."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table: Any = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError, ValueError):
        return flip(content, rng)
    place = rng.randrange(table.num_columns or 1) if table.num_columns else 0
    name = table.column_names[place] if table.num_columns else "x"
    num_rows = table.num_rows
    match rng.randrange(5):
        case 0:
            table = table.drop_columns([name]) if table.num_columns else table
        case 1:
            table = table.slice(0, rng.randrange(num_rows + 1))
        case 2:
            table = table.append_column(f"{name}2", pa.array([None] * num_rows, pa.string()))
        case _:
            odd = rng.choice([None, "x", -1, float("nan"), [1], 2**62, True, b"\xff"])
            table = table.set_column(place, name, pa.array([odd] * num_rows))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def sql(content: bytes, rng: random.Random) -> bytes:
    """Be a whole database of SQLite without a table, or its rows, or with another value in a column."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "changed.db"
        path.write_bytes(content)
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA foreign_keys = OFF")
            filled = [
                name
                for (name,) in database.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                ).fetchall()
                if database.execute(f"SELECT EXISTS (SELECT 1 FROM {name})").fetchone()[0]
            ]
            table = rng.choice(sorted(filled))
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            value = rng.choice(["NULL", "''", "'x'", "-1", "1e999", "x'ff'", "'2'"])
            statement = rng.choice(
                [
                    f"DROP TABLE {table}",
                    f"DELETE FROM {table}",
                    f"UPDATE OR IGNORE {table} SET {rng.choice(columns)} = {value}",
                ]
            )
            with contextlib.suppress(sqlite3.DatabaseError):  # a column may refuse the value
                database.execute(statement)
            database.commit()
        return path.read_bytes()


def huge_picture(content: bytes, rng: random.Random) -> bytes:
    """Be a PNG or JPEG that declares to be huge."""
    if content.startswith(b"\x89PNG"):
        import zlib

        head = b"IHDR" + struct.pack(">II", *rng.choice([(2**31 - 1, 2**31 - 1), (60_000, 60_000), (0, 5)]))
        head += content[24:29]
        return content[:12] + head + struct.pack(">I", zlib.crc32(head)) + content[33:]
    start = content.find(b"\xff\xc0")
    return (
        content[: start + 5] + b"\xff\xff\xff\xff" + content[start + 9 :]
        if start >= 0
        else huge_size(content, rng)
    )


NUMBER_TOKENS = (
    "-1",
    "0",
    "1e400",
    "float('nan')",
    "10**30",
    "2**31",
    "'1'",
    "None",
    "1j",
    "True",
    "0.5",
    "[]",
    "1_0",
)
NAME_TOKENS = (
    "None",
    "print",
    "tw",
    "object",
    "int",
    "self",
    "undefined_name",
    "lambda",
    "class",
    "return",
    "...",
)


def python_tokens(content: bytes, rng: random.Random) -> bytes:
    """Have a token lost, doubled, swapped with the next, misspelt, or another in its place."""
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(content).readline))
    except (tokenize.TokenError, SyntaxError):
        return flip(content, rng)
    spans = [token for token in tokens if token.string.strip() and token.type != tokenize.ENCODING]
    token = rng.choice(spans)
    text = content.decode()
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    begin, end = (starts[row - 1] + column for row, column in (token.start, token.end))
    old = text[begin:end]
    match rng.randrange(6):
        case 0:
            new = ""
        case 1:
            new = f"{old} {old}"
        case 2 if token.type == tokenize.NAME and len(old) > 2:
            place = rng.randrange(len(old) - 1)
            new = old[:place] + old[place + 1] + old[place] + old[place + 2 :]
        case 3:
            new = rng.choice(spans).string
        case 4 if token.type == tokenize.STRING:
            new = rng.choice(
                [
                    "''",
                    "' '",
                    "'a/b'",
                    "b'x'",
                    "'\\x00'",
                    "'\\u202e'",
                    f"'{'x' * 500}'",
                    old[:-1],
                    "f'{x}'",
                    "'é'",
                ]
            )
        case _:
            new = rng.choice(
                NUMBER_TOKENS if token.type == tokenize.NUMBER else [*NAME_TOKENS, *NUMBER_TOKENS]
            )
    return (text[:begin] + new + text[end:]).encode()


def python_nesting(content: bytes, rng: random.Random) -> bytes:
    """Have brackets or blocks nested more deeply than Python reads."""
    deep = rng.choice(
        [
            "(" * 500 + ")" * 500,
            "[" * 90 + "]" * 90,
            "-" * 5000 + "1",
            "x" + ".a" * 5000,
            "f(" * 150 + ")" * 150,
        ]
    )
    return content + f"\n{rng.choice(['X = ', ''])}{deep}\n".encode()


# -- what lies in a file's place ---------------------------------------------------------------------


def delete(path: Path, rng: random.Random) -> None:
    """Be gone."""
    path.unlink()


def folder(path: Path, rng: random.Random) -> None:
    """Be a folder."""
    path.unlink()
    path.mkdir()


def broken_link(path: Path, rng: random.Random) -> None:
    """Be a link that leads nowhere, or to itself."""
    path.unlink()
    path.symlink_to(rng.choice(["/nowhere/at/all", path.name]))


def fifo(path: Path, rng: random.Random) -> None:
    """Be a pipe, whose reader waits for ever."""
    path.unlink()
    os.mkfifo(path)


def device(path: Path, rng: random.Random) -> None:
    """Be a link to a device, of which there is no end."""
    path.unlink()
    path.symlink_to(rng.choice(["/dev/zero", "/dev/null"]))


def linked_pipe(path: Path, rng: random.Random) -> None:
    """Be a link to a pipe."""
    pipe = path.with_name(f".{path.name}.pipe")
    os.mkfifo(pipe)
    path.unlink()
    path.symlink_to(pipe.name)


PLACES: Sequence[Callable[[Path, random.Random], None]] = (
    delete,
    folder,
    broken_link,
    fifo,
    device,
    linked_pipe,
)


def swap(path: Path, other: Path) -> None:
    """Lie in each other's place."""
    aside = path.with_name(f".{path.name}.aside")
    path.rename(aside)
    shutil.copy(other, path)
    other.unlink()
    aside.rename(other)


def copy_over(path: Path, other: Path) -> None:
    """Be a copy of another file of its kind."""
    path.unlink()
    shutil.copy(other, path)


OF_ENDING: dict[str, Sequence[Content]] = {
    ".json": (json_value, json_value, sealed_json_value, sealed_json_value, lines, *TEXT),
    ".jsonl": (lines, *TEXT),
    ".parquet": (parquet_columns, parquet_columns, huge_size),
    ".db": (sql,),
    ".png": (huge_picture,),
    ".jpg": (huge_picture,),
    ".jpeg": (huge_picture,),
    ".txt": (lines, lines, *TEXT),
    ".csv": (lines, lines, *TEXT),
    ".py": (*[python_tokens] * 12, python_nesting, lines, lines, *TEXT),
}


def mutate(path: Path, rng: random.Random, others: Sequence[Path] = ()) -> str:
    """Do harm to a file; gives how.

    Args:
        path: of the file.
        rng: decides.
        others: of its kind, one of which may come to lie in its place.
    """
    way = rng.random()
    if way < 0.15:
        replace = rng.choice(PLACES)
        replace(path, rng)
        return replace.__name__
    others = [other for other in others if other != path and other.is_file()]
    if way < 0.27 and others:
        exchange = rng.choice([swap, copy_over])
        exchange(path, rng.choice(others))
        return exchange.__name__
    of_kind = OF_ENDING.get(path.suffix, ())
    change = rng.choice(of_kind if of_kind and rng.random() < 0.6 else BYTES)
    content = path.read_bytes()
    mutated = change(content, rng)
    path.unlink()  # other names of the file keep what they have
    path.write_bytes(mutated)
    return change.__name__ if mutated != content else "nothing"
