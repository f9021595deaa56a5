"""What must be told to nobody: passwords and keys are masked wherever a text is shown, logged, recorded or sent.

A secret is known by three marks: it is the value of an environment variable whose name says so; it stands where
passwords stand (in a URL before the `@`, behind `password=` or `--token`); or it has a well-known shape. In its place
stands `…`. A text is masked before it is cut to a length: of half a secret nobody knows that it is one.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, quote_plus, unquote

MASK = "…"
SURROGATES = "surrogatepass"
"""How text is encoded that is no text, such as a path of Latin-1: whatever it is, nothing is said of it here."""
MIN_LENGTH = 6
"""Of a value that is masked wherever it stands; a shorter one is part of too many words."""
MIN_LENGTH_TO_REFUSE = 8
"""Of a value for whose sake a declaration is refused; a shorter one may stand there by chance."""
MIN_LENGTH_OF_KEYS = 16
"""Of the value of a variable that is merely called a key, which may be of a dictionary as well."""
MIN_LENGTH_OF_NAMELESS_TOKENS = 20
"""Of what stands alone before the `@` of a URL; a shorter one is the name of a user."""

_SAYS_SECRET = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|PASSCODE|SECRET|CREDENTIAL|TOKEN(?!IZ)|COOKIE|API_?KEY|(ACCESS|PRIVATE|ACCOUNT)_?KEY"
    r"|(^|_)(PASS|PW|SAS)$|[A-Z0-9]_?PWD$|CONNECTION_STRING$|AUTHORIZATION"
)
_SAYS_KEY = re.compile(r"KEYS?(_ID)?$|(^|_)AUTH$")
_FOLDERS_OF_SHELLS = ("PWD", "OLDPWD", "INIT_CWD")
_WORDS = (
    *("anonymous", "bearer", "default", "disabled", "enabled", "keyring", "optional", "password", "prompt"),
    *("required", "secret"),
)
"""What settings say that are named like secrets."""

_NAME = (
    r"(?:password|passwd|passphrase|_pwd|secret|credentials?|api[_-]?key|access[_-]?key(?:[_-]?id)?"
    r"|secret[_-]?key|private[_-]?key|account[_-]?key)"
)
_NO_VALUE = re.compile(r"(?i)(?:none|null|true|false|nil|\.{3}|\*+|\$\w+|\$?\{\w*|<\w+>?|\[?redacted\]?)")
"""What stands for a value that is elsewhere, or for none."""
_WEB = re.compile(r"(?i)https?://\Z")
_VALUE = r"(\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|[^\s\"'&;,)\]}]+)"


@dataclass(frozen=True)
class _Place:
    """Where a secret stands, or what it looks like.

    Attributes:
        hints: in lower case; a text that has none of them has no such secret, which is seen at once.
        pattern: of the secret and what tells that it is one.
        instead: what replaces it.
    """

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    instead: str | Callable[[re.Match[str]], str]


def _masked_basic(found: re.Match[str]) -> str:
    """Mask `Basic` and base64 of `user:password`; other words may follow that one."""
    try:
        said = base64.b64decode(f"{found[2]}===", validate=False)
    except binascii.Error:
        return found[0]
    return f"{found[1]}{MASK}" if b":" in said else found[0]


def _masked_address(found: re.Match[str]) -> str:
    """Mask what stands between the user and the host of a URL.

    A password may hold any sign but a blank or a quote, even @ and /, so it reaches to the last @ of the word.
    """
    before, at, host = found[2].rpartition("@")
    user, colon, password = before.partition(":")
    if not at or "/" in user:
        return found[0]
    if colon:
        return f"{found[1]}{user}:{MASK}@{host}" if password else found[0]
    is_token = len(user) >= MIN_LENGTH_OF_NAMELESS_TOKENS or _WEB.search(
        found.string, max(0, found.start(1) - 4), found.end(1)
    )
    return f"{found[1]}{MASK}@{host}" if is_token else found[0]


def _masked_value(found: re.Match[str]) -> str:
    return found[0] if MASK in found[2] or _NO_VALUE.fullmatch(found[2]) else f"{found[1]}{MASK}"


def _masked_assigned(found: re.Match[str]) -> str:
    """Mask what a name is given; in prose a word follows a colon and a blank, as in `the secret: nobody knows`."""
    is_word = found[2].rstrip(".!?").isalpha()
    if is_word and re.search(r":\s+$", found[1]):
        text, begin = found.string, found.string.rfind("\n", 0, found.start()) + 1
        begins_line = re.fullmatch(r"[\s+\-{\"']*[\w-]*", text[begin : found.start()]) is not None
        ends_line = re.match(r"[ \t]*(?:#|\n|\Z)", text[found.end() : found.end() + 100]) is not None
        if not (begins_line and ends_line):
            return found[0]
    return _masked_value(found)


_PLACES = (
    _Place(
        ("private key-----",),
        re.compile(
            r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----)[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)"
        ),
        rf"\1{MASK}",
    ),
    _Place(("://",), re.compile(r"(\w://)([^\s\"'<>`]+)"), _masked_address),
    # A text that is an address alone may have blanks and quotes in its password.
    _Place(("://",), re.compile(r"\A([\w+.-]+://[^\s:/@]*:)[^\n]+(@\S*)\Z"), rf"\1{MASK}\2"),
    _Place(("://",), re.compile(r"(?i)\A(https?://)[^/?#\n]+(@\S*)\Z"), rf"\1{MASK}\2"),
    _Place(
        ("token", "sig", "auth", "key", "credential", "code=", "pass", "pwd", "secret", "odbc"),
        re.compile(
            r"(?i)([?&#;](?:[\w-]*(?:pass|passwd|password|pwd|secret|token|key|credential|signature|odbc_connect)|sig"
            r"|auth|code|awsaccesskeyid|googleaccessid)=)([^\s&#\"'<>`]+)"
        ),
        _masked_value,
    ),
    _Place(
        ("authorization",), re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*)([^\s,}][^\n,}]*)"), _masked_value
    ),
    _Place(("bearer",), re.compile(r"(?i)(\bbearer\s{1,3})((?=\S{0,999}\d)[\w.~+/=-]{8,})"), _masked_value),
    _Place(("basic",), re.compile(r"(?i)(\bbasic\s+)([\w+/]{8,}={0,2})"), _masked_basic),
    _Place(
        ("pass", "pwd", "secret", "credential", "key"),
        re.compile(rf"(?i)({_NAME}[\"']?\s{{0,3}}[=:]\s{{0,3}}){_VALUE}"),
        _masked_assigned,
    ),
    _Place(
        ("token",),
        re.compile(
            rf"(?i)((?:access|auth|api|bot|hf|id|refresh|session|secret|security)[_-]token[\"']?\s{{0,3}}[=:]\s{{0,3}})"
            rf"{_VALUE}"
        ),
        _masked_assigned,
    ),
    _Place(
        ("--",),
        re.compile(
            rf"(?i)((?<![\w-])--[\w-]{{0,40}}(?:{_NAME}|token)(?:=|[\"',]{{0,3}}\s{{1,3}}[\"']?)){_VALUE}"
        ),
        _masked_value,
    ),
    _Place(("akia", "asia"), re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), MASK),
    _Place(
        ("gh", "glpat-", "hf_", "xox", "aiza", "npm_", "pypi-", "dapi", "ya29", "r8_"),
        re.compile(
            r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|hf_[A-Za-z0-9]{20,}|xox[a-z]-[\w-]{10,}"
            r"|AIza[\w-]{30,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{40,}|dapi[0-9a-f]{32}|ya29\.[\w-]{20,}|r8_\w{30,})"
        ),
        MASK,
    ),
    _Place(
        ("sk-", "sk_", "rk_"), re.compile(r"\b(?:sk-|[sr]k_(?:live|test)_)(?=[\w-]{0,99}\d)[\w-]{16,}"), MASK
    ),
    _Place(("eyj",), re.compile(r"\beyJ[\w-]{8,999}\.[\w-]{8,}(?:\.[\w-]*)?"), MASK),
)


def masked(text: str) -> str:
    """Give a text without the secrets that are in it.

    Args:
        text: whole, before it is cut or broken into lines.
    """
    known = _known_values()
    if known is not None:
        text = known.sub(MASK, text)
    lowered = text.lower()
    for place in _PLACES:
        if any(hint in lowered for hint in place.hints):
            text = place.pattern.sub(place.instead, text)
    return text


def masked_bytes(printed: bytes) -> bytes:
    """Give what a program printed without the secrets that are in it; bytes that are no UTF-8 stay as they are."""
    return masked(printed.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def masked_in(value: Any) -> Any:
    """Mask every text inside a value as JSON has it; names of fields stay."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {name: masked_in(item) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [masked_in(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def holds_secret(text: str) -> str | None:
    """Say that a declared text holds what looks like a secret, which would stand in ids, records and tables."""
    lowered = text.lower()
    for place in _PLACES:
        if any(hint in lowered for hint in place.hints) and place.pattern.sub(place.instead, text) != text:
            return _no_secret(masked(text))
    known = (value for value in _ENVIRONMENT.secrets() if len(value) >= MIN_LENGTH_TO_REFUSE)
    return _no_secret(masked(text)) if any(value in text for value in known) else None


def secrets_in(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Find texts inside a value as JSON has it that hold a secret: dotted path, and why it is refused."""
    if isinstance(value, str):
        if (why := holds_secret(value)) is not None:
            yield path, why
    elif isinstance(value, Mapping):
        for name, item in cast(Mapping[Any, Any], value).items():
            yield from secrets_in(item, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(cast(Sequence[Any], value)):
            yield from secrets_in(item, f"{path}[{number}]")


def _no_secret(seen: str) -> str:
    shown = seen if len(seen) <= 60 else f"{seen[:59]}…"
    return (
        f"a password or key must be told to nobody, and this would stand in records and tables; got {shown!r} (masked "
        "here). Let the code read it from an environment variable or a file of its own"
    )


# -- what the process knows to be secret ---------------------------------------------------------------


_TOLD: dict[str, None] = {}
"""Secrets that this process was given otherwise than by its environment, such as in the URL of a database."""


def keep_secret(url: str) -> None:
    """Mask the password of a URL from now on wherever it stands, also without the URL around it."""
    whole = re.match(r"[\w+.-]+://[^\s:/@]*:([^\n]+)@", url)  # an address alone, which may have blanks in it
    password = whole[1] if whole else ""
    _TOLD.update(dict.fromkeys((*_passwords_in(url), *([password] if len(password) >= MIN_LENGTH else []))))


def forget_secrets() -> None:
    """Forget what `keep_secret` was told, in a process that goes on with other addresses."""
    _TOLD.clear()


def without_credentials(url: str) -> str:
    """Give a URL with its user alone, for who is to open it by credentials of its own."""
    scheme, mark, rest = url.partition("://")
    before, at, host = rest.rpartition("@")
    user, colon, _ = before.partition(":")
    return f"{scheme}{mark}{user}{at}{host}" if at and colon and "/" not in user else url


def _passwords_in(text: str) -> Iterator[str]:
    for found in re.finditer(r"\w://[^\s:/@]*:(\S+)@", text):
        if len(found[1]) >= MIN_LENGTH and found[1].lower() not in _WORDS:
            yield found[1]


def _known_values() -> re.Pattern[str] | None:
    return _pattern_of((*_ENVIRONMENT.secrets(), *_TOLD))


@functools.lru_cache(maxsize=8)
def _pattern_of(values: tuple[str, ...]) -> re.Pattern[str] | None:
    """Find the values in every spelling in which texts repeat them: as in URLs, in JSON and in code."""
    spellings: dict[str, None] = {}
    for value in values:
        for spelt in (value, unquote(value)):
            forms = (
                spelt,
                quote(spelt, safe="", errors=SURROGATES),
                quote(spelt, errors=SURROGATES),
                quote_plus(spelt, errors=SURROGATES),
            )
            quoted = (json.dumps(spelt)[1:-1], json.dumps(spelt, ensure_ascii=False)[1:-1], repr(spelt)[1:-1])
            in_base64 = base64.b64encode(spelt.encode(errors=SURROGATES)).decode()
            spellings |= dict.fromkeys((*forms, *quoted, in_base64))
    longest_first = sorted((text for text in spellings if len(text) >= MIN_LENGTH), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


class _Environment:
    """The secrets of the environment, sought again where a variable has changed since they were asked for last."""

    def __init__(self) -> None:
        self._seen: dict[Any, Any] | None = None
        self._secrets: tuple[str, ...] = ()

    def secrets(self) -> tuple[str, ...]:
        """Give the values of the variables whose names say that they are secret, and the passwords of URLs."""
        # What Python keeps the environment in: to decode every variable for every text took 0.1 ms a text.
        now: Any = getattr(os.environ, "_data", os.environ)
        if now != self._seen:
            seen = dict(now)
            self._secrets = _secret_values(os.environ)
            self._seen = seen  # last, so that another thread seeks for itself meanwhile
        return self._secrets


_ENVIRONMENT = _Environment()


def _secret_values(variables: Mapping[str, str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for name, value in variables.items():
        if "://" in value:
            found |= dict.fromkeys(_passwords_in(value))
        if is_secret_variable(name, value):
            found |= dict.fromkeys(line for line in (value, *value.splitlines()) if len(line) >= MIN_LENGTH)
    return tuple(found)


def is_secret_variable(name: str, value: str) -> bool:
    """Say whether an environment variable holds a secret, by its name; paths and words of settings are none.

    Args:
        name: of the variable.
        value: of it; a name such as `SSL_KEY` may be that of a path, too.
    """
    upper = name.upper()
    if upper in _FOLDERS_OF_SHELLS or value.lower() in _WORDS or _is_path(value):
        return False
    if _SAYS_SECRET.search(upper):
        return len(value) >= MIN_LENGTH and not value.isdigit()
    has_both = any(sign.isdigit() for sign in value) and any(sign.isalpha() for sign in value)
    return bool(_SAYS_KEY.search(upper)) and len(value) >= MIN_LENGTH_OF_KEYS and has_both


def _is_path(value: str) -> bool:
    if not value.startswith(("/", "~/", "./", "../")):
        return False
    if re.search(r"/[\w.-]+\.\w{1,5}$", value):
        return True
    try:
        return Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, or with signs that no path has
        return False
