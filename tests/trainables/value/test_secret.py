"""What is masked, and what is left as it stands."""

import base64

import pytest

from tablewright.trainables.value.secret import (
    holds_secret,
    is_secret_variable,
    keep_secret,
    masked,
    masked_bytes,
)
from tablewright.trainables.value.text import has_unseen_signs, visible

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://user:hunter2@host/db is away", "hunter2"),
        ("postgresql://user:p@ss/w:%rd@host/db is away", "p@ss/w:%rd"),
        ("redis://:hunter2@host", "hunter2"),
        ("https://abcdefghij0123456789@host/x", "abcdefghij0123456789"),
        ("https://hun ter2@host/x", "ter2"),
        ("postgresql://host/x?sslpassword=hunter2", "hunter2"),
        ("a:\n  password: hunter\n  lr: 1", "hunter"),
        ("+    'password': 'hunter',", "hunter"),
        ("secret=hunter and", "hunter"),
        ("the password: hunter2 of", "hunter2"),
        ("https://host/x?sv=1&sig=abc%2F1", "abc%2F1"),
        ("https://host/x?X-Amz-Signature=0fab", "0fab"),
        ("host=a password=hunter2 dbname=b", "hunter2"),
        ("{'password': 'hunter 2', 'lr': 1}", "hunter 2"),
        ("python train.py --api-key abcd --lr 1", "abcd"),
        ("['--token', 'abcd', '--lr']", "abcd"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("a header Bearer abc123def456", "abc123def456"),
        (f"got {JWT}.", JWT),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("ghp_abcdefghij0123456789abcd", "ghp_abcdefghij0123456789abcd"),
        ("sk-proj-abcdefghij0123456789", "sk-proj-abcdefghij0123456789"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nxyz\n-----END RSA PRIVATE KEY-----", "MIIE"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE cut", "MIIE"),
    ],
)
def test_a_secret_is_masked_where_it_stands(text, secret):
    """By its place or its shape, and a second time changes nothing; a declaration that holds it is refused."""
    told = masked(text)
    assert secret not in told
    assert "…" in told
    assert told == masked(told)
    assert holds_secret(text) is not None
    assert secret not in holds_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:5000/x",
        "a secret: nobody knows it",
        "no password: none was given.",
        "with api_key=None, password=null and secret: ${SECRET}",
        "postgresql://user@host/name",
        "Basic classification, Bearer authentication",
        "--max-tokens 512 --token-dropout 0.1",
        "pad_token: 0, sort key: value, KeyError: 'key'",
        "task-0123456789abcdefghij",
        "e28190f4f8ca1a2b3c4d5e6f708192a3b4c5d6e7",
        "http://a.b/x?mail=b@c",
    ],
)
def test_what_is_no_secret_stays(text):
    """Addresses, words and digests are told as they are."""
    assert text == masked(text)
    assert holds_secret(text) is None


def test_values_of_secret_variables_are_masked_in_every_spelling(monkeypatch):
    """As they are, in a URL, in JSON, in code and in base64; so is the password of a URL that a variable holds."""
    monkeypatch.setenv("MY_DB_PASSWORD", 'p"ss w/ä')
    monkeypatch.setenv("TABLEWRIGHT_SEARCH_STORAGE", "postgresql://user:s3cret-word@host/db")
    text = (
        'p"ss w/ä p%22ss%20w%2F%C3%A4 p\\"ss w/\\u00e4 s3cret-word '
        + base64.b64encode('p"ss w/ä'.encode()).decode()
    )
    assert "… … … … …" == masked(text)
    assert b"\xff \xe2\x80\xa6" == masked_bytes(b"\xff s3cret-word")


def test_a_secret_is_masked_from_the_moment_at_which_a_variable_holds_it(monkeypatch):
    """What the environment was found to hold is not asked for again at each text, and is sought anew on a change."""
    assert "told-later-1" == masked("told-later-1")
    monkeypatch.setenv("MY_DB_PASSWORD", "told-later-1")
    assert "… told-later-2" == masked("told-later-1 told-later-2")
    monkeypatch.setenv("MY_DB_PASSWORD", "told-later-2")
    assert "told-later-1 …" == masked("told-later-1 told-later-2")
    monkeypatch.delenv("MY_DB_PASSWORD")
    assert "told-later-2" == masked("told-later-2")


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("PGPASSWORD", "hunter2", True),
        ("WANDB_API_KEY", "0123456789abcdef", True),
        ("HF_TOKEN", "abcdefgh", True),
        ("SSH_KEY", "0123456789abcdefg", True),
        ("TOKENIZERS_PARALLELISM", "disabled-now", False),
        ("MY_SECRET", "disabled", False),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/home/me/key.json", False),
        ("SORT_KEY", "accuracy", False),
        ("OLDPWD", "/nowhere/at/all", False),
        ("NUM_TOKENS", "1000000", False),
    ],
)
def test_a_variable_is_secret_by_its_name(name, value, is_secret):
    """Unless it holds a path, a number or a word of settings."""
    assert is_secret == is_secret_variable(name, value)


def test_a_password_that_was_given_is_masked_without_its_url():
    """A database's own words may repeat it alone."""
    keep_secret("postgresql://user:only-told-once@host/db")
    assert "no … here" == masked("no only-told-once here")


@pytest.mark.slow
def test_millions_of_signs_are_masked_in_bearable_time():
    """Texts that a secret could begin with everywhere are read once, not once for each beginning."""
    for piece in ("x://a:", "password", "--", "eyJ-", "sk-", "bearer ", "a_token=", '"'):
        masked(piece * 100_000)


@pytest.mark.parametrize(
    "sign",
    [*"\x00\x1b\x7f\x85\u200b\u200e\u200f\u2028\u2029\u202e\u2066\u2069\ufeff\ud800\ufdd0\ufffe\u034f"],
)
def test_unseen_signs_are_refused_and_spelt(sign):
    """A label that has one is refused; a text from elsewhere shows which."""
    assert has_unseen_signs(f"a{sign}b") is not None
    shown = visible(f"a{sign}b")
    assert shown.isascii()
    assert sign not in shown


def test_joiners_stay_in_the_scripts_that_need_them():
    """Between Latin letters one would only make two labels look the same."""
    assert has_unseen_signs("می\u200cخواهم") is None
    assert has_unseen_signs("full\u200c") is not None
    assert has_unseen_signs("fu\u200dll") is not None
