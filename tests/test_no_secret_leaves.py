"""Six kinds of secret in a sweep, by the real command; none is in anything that it leaves."""

import shutil
from textwrap import dedent

import pytest

from tests.toy_studies import ROOT
from tests.warm_command import run_warm

ENVIRONMENT, STORE, SEARCH, TRACKING, RAISED, CAUSE, PRINTED = (
    "env-5ecret-aaaa",
    "store-5ecret-b",
    "search-5ecret/c@d",
    "tracking-5ecret-d",
    "ghp_raised5ecret0123456789",
    "cause-5ecret-e",
    "printed-5ecret-f",
)
SECRETS = (ENVIRONMENT, STORE, SEARCH, TRACKING, RAISED, CAUSE, PRINTED)

STUDY = f'''
"""A study whose methods tell what they should not."""
import logging, os, warnings
import tablewright as tw

ACC = tw.Metric("acc", "Acc")


class Telling(tw.Config):
    fails: bool = False


def measure(config, net, split):
    return tw.Measured({{"acc": 0.5}}, {{"is_right": [1, 0]}}, "items")


@tw.method(Telling, metrics=[ACC], measure=measure, data=tw.Data("D", version="1"))
def fit(config, run):
    warnings.warn("the key is " + os.environ["MY_SERVICE_PASSWORD"])
    logging.getLogger("mine").warning("using %s", "https://me:{CAUSE}@host/x")
    if config.fails:
        try:
            raise OSError("no route to https://me:{CAUSE}@host/x")
        except OSError as error:
            raise RuntimeError("push with {RAISED} failed") from error
    for _ in run.epochs(1):
        run.report(loss=0.1)
    return {{}}


@tw.script(
    "python train.py {{flags}} --seed {{seed}} --out {{out}}", metrics=[ACC], data=tw.Data("D", version="1"),
    sources=["train.py"],
)
class Script(tw.Config):
    fails: bool = False


def make_study():
    well, ill = tw.Row("well", {{}}), tw.Row("ill", {{"fails": True}})
    tables = [tw.Ablation(name, name, base, [tw.Dataset("D")], rows) for name, base, rows in
              (("own", Telling(), [well, ill]), ("scripts", Script(), [ill]))]
    return tw.Study("telling", "Telling", "nowhere", [0], tables)
'''
REFUSED = f'''
"""A study that declares secrets, and a label that hides how it reads."""
import tablewright as tw

ACC = tw.Metric("acc", "Acc")


class Keyed(tw.Config):
    key: str = "none"


def measure(config, net, split):
    return {{"acc": 0.5}}


@tw.method(Keyed, metrics=[ACC], measure=measure, data=tw.Data("D", version="1"))
def fit(config, run):
    return {{}}


def make_study():
    rows = [tw.Row("keyed", {{"key": "{RAISED}"}}), tw.Row("hidden", {{"key": "sqlite://me:{CAUSE}@host\\u202ex"}})]
    return tw.Study("refused", "R", "nowhere", [0], [tw.Ablation("own", "own", Keyed(), [tw.Dataset("D")], rows)])
'''
SCRIPT = f"""
import json, os, pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
print("password={PRINTED}", os.environ["MY_SERVICE_PASSWORD"], flush=True)
if any("fails" in word and "no-" not in word for word in sys.argv) and "False" not in sys.argv:
    raise SystemExit("\\u202e\\x1b[2J token: Bearer {RAISED}, password={PRINTED}")
(out / "metrics.json").write_text(json.dumps({{"acc": 0.5}}))
"""


def files_with(folder, secret):
    """Every file below a folder that holds a secret, also in a database."""
    encoded = secret.encode()
    return [str(path) for path in folder.rglob("*") if path.is_file() and encoded in path.read_bytes()]


@pytest.mark.slow
def test_no_secret_is_in_store_databases_tables_or_on_the_terminal(tmp_path, monkeypatch):
    """Neither from the environment, an option, an exception and its cause, nor from what a script prints."""
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "search_spaces/telling.py").write_text(dedent(STUDY))
    (tmp_path / "search_spaces/refused.py").write_text(dedent(REFUSED))
    (tmp_path / "train.py").write_text(SCRIPT)
    shutil.copy(ROOT / "sweep.py", tmp_path)
    monkeypatch.setenv("MY_SERVICE_PASSWORD", ENVIRONMENT)
    search = f"postgresql+psycopg://me:{SEARCH}@127.0.0.1:1/x"
    ran, *refused, mirrored, status = (
        run_warm(tmp_path, *words)[1]
        for words in (
            ("telling", "--agent", "--tracking-uri", f"http://me:{TRACKING}@127.0.0.1:1"),
            ("telling", "--search-storage", search, "--store", f"nfs://me:{STORE}@host/{'x' * 100}"),
            ("refused", "--plan"),
            ("telling", "--mirror", "--tracking-uri", "sqlite:///mlflow.db"),
            ("telling", "--status"),
        )
    )
    shown = [ran, *refused, mirrored, status]
    assert all(shown)
    assert (tmp_path / "mlflow.db").is_file()
    assert "the key is …" in (tmp_path / "runs/tables/telling/own.md").read_text()
    assert "push with … failed" in ran
    assert 2 == refused[1].count("key: a password or key must be told to nobody")
    assert r"me:…@host\u202ex" in refused[1]
    assert not any(sign in text for text in shown for sign in "\u202e\x1b")
    for secret in SECRETS:
        assert [] == [text for text in shown if secret in text]
        in_what_was_written_for_the_test = {
            str(tmp_path / "search_spaces/telling.py"),
            str(tmp_path / "search_spaces/refused.py"),
            str(tmp_path / "train.py"),
        }
        left = {path for path in files_with(tmp_path, secret) if "__pycache__" not in path}
        assert left <= in_what_was_written_for_the_test
