"""Names by which a paper calls a number of a table: keys that people read, and commands of letters alone.

A key is a label as it is printed, but for the signs that LaTeX would not hand on as they stand. A command has letters
alone, so that labels lose more in it; where two numbers would come to one name, each of them has letters of its own
behind it. So a name never comes to mean another number: what is added to a table makes at worst an old name unknown.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Hashable, Mapping
from typing import TypeVar

NUM_TELLING_LETTERS = 5
"""Of the letters that tell two names apart: one in twelve million pairs would still be alike."""

_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_SIGNS: Mapping[str, str] = {
    "+": "Plus",
    "−": "Minus",
    "±": "PlusMinus",
    "×": "Times",
    "·": "Dot",
    "=": "Is",
    "<": "Below",
    ">": "Above",
    "≤": "AtMost",
    "≥": "AtLeast",
    "%": "Percent",
    "&": "And",
    "*": "Star",
    "†": "Dagger",
    "′": "Prime",
    "^": "To",
    "@": "At",
    "#": "Number",
    "✓": "Yes",
    "✗": "No",
    "→": "Becomes",
    "∞": "Infinity",
}
_IN_KEYS: Mapping[str, str] = {
    "\\": "/",
    "{": "(",
    "}": ")",
    "#": "no.",
    "%": " percent",
    "~": " ",
    "^^": "^ ^",
}

ItemT = TypeVar("ItemT", bound=Hashable)


def key_of(label: str) -> str:
    """Give the key of a label: the label itself, without the signs that mean something to LaTeX in every place."""
    for sign, instead in _IN_KEYS.items():
        label = label.replace(sign, instead)
    return " ".join(unicodedata.normalize("NFC", label).split())


def letters_of(label: str) -> str:
    """Spell a label with letters alone: `Rank-1` is `RankOne`, `λ = 0.1` is `LambdaIsZeroPointOne`."""
    text = re.sub(r"(?<![^\W_])[-−](?=\d)", "−", label)  # a sign, and no hyphen
    text = re.sub(r"(?<=\d)\.(?=\d)", "\0", text)
    words = re.findall(r"[^\W\d_]+|.", text)
    return "".join(_letters_of_word(word) for word in words)


def _letters_of_word(word: str) -> str:
    if word == "\0":
        return "Point"
    if word in _SIGNS:
        return _SIGNS[word]
    spelt = "".join(map(_letters_of_sign, word))
    return spelt[:1].upper() + spelt[1:]


def _letters_of_sign(sign: str) -> str:
    if sign.isascii():
        return sign if sign.isalpha() else _DIGITS[int(sign)] if sign.isdigit() else ""
    plain = "".join(part for part in unicodedata.normalize("NFKD", sign) if part.isascii() and part.isalnum())
    if plain:
        return "".join(map(_letters_of_sign, plain))
    greek = re.fullmatch(r"GREEK (?:SMALL|CAPITAL) LETTER (\w+)", unicodedata.name(sign, ""))
    if greek is not None:
        return greek[1].capitalize().replace("Lamda", "Lambda")  # as Unicode spells it
    if unicodedata.category(sign)[0] not in "LN":
        return ""
    return "U" + "".join(_DIGITS[int(digit)] if digit.isdigit() else digit for digit in f"{ord(sign):X}")


def told_apart(names: Mapping[ItemT, str], *, between: str = "") -> dict[ItemT, str]:
    """Give every item a name of its own: its own, or where others have the same its own with letters behind it.

    Args:
        names: item -> name; an item's `repr` says which it is, and decides the letters.
        between: stands before these letters.
    """
    counts: dict[str, int] = {}
    for name in names.values():
        counts[name] = counts.get(name, 0) + 1
    return {
        item: name if counts[name] == 1 else f"{name}{between}{_letters_from(repr(item))}"
        for item, name in names.items()
    }


def _letters_from(text: str) -> str:
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    letters = ""
    for _ in range(NUM_TELLING_LETTERS):
        number, place = divmod(number, 26)
        letters += chr(ord("A") + place)
    return letters
