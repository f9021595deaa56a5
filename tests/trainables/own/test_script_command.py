"""How a config reaches a script: flags, overrides, files; and what no declaration may ask of a command line."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from tablewright.trainables.contract.metric import Metric
from tablewright.trainables.own.declaration import Config, Data
from tablewright.trainables.own.script import script
from tablewright.trainables.own.script_command import RESERVED, Command, paths_in_out
from tablewright.trainables.value.frozen_model import FrozenModel
from tablewright.trainables.value.refusal import Refusal

TOP1 = Metric("top1", "Top-1")


class Optimizer(FrozenModel):
    """A part with fields of its own."""

    lr: float = 0.1
    weight_decay: float | None = None


class Given(Config):
    """A field of each kind."""

    lr: float = 1e-5
    name: str = "a b"
    no_aug: bool = False
    dropout: float | None = None
    sizes: tuple[int, ...] = (1, 2)
    optimizer: Optimizer = Optimizer()


def filled(line, config, folder, **more):
    """The words of a command."""
    return Command.of(line).fill(config, out=Path("/o"), scratch=folder, **more)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (Given(), ["--lr", "1e-05", "--name", "a b", "--sizes", "1", "2", "--optimizer.lr", "0.1"]),
        (
            Given(lr=-0.5, name="-x", no_aug=True, dropout=0.5, sizes=()),
            ["--lr=-0.5", "--name=-x", "--no_aug", "--dropout", "0.5", "--sizes", "--optimizer.lr", "0.1"],
        ),
    ],
)
def test_flags_are_those_of_argparse(tmp_path, config, words):
    """Left out where off, bare where on, several words for a tuple; a value that looks like a flag is joined to its."""
    assert ["x", *words, "3"] == filled("x {flags} {seed}", config.model_copy(update={"seed": 3}), tmp_path)


def test_flags_may_have_dashes(tmp_path):
    """As argparse reads them, where the script writes them so."""
    config = Given(optimizer=Optimizer(weight_decay=0.1), no_aug=True)
    words = filled("x {dashed_flags}", config, tmp_path)
    assert {"--no-aug", "--optimizer.weight-decay"} <= {*words}


def test_a_field_may_have_a_place_of_its_own(tmp_path):
    """It is then in no list."""
    words = filled("x --rate={optimizer.lr} {flags} {out}/{seed} ${lr}", Given(), tmp_path)
    assert ("--rate=0.1", "/o/0", "${lr}") == (words[1], words[-2], words[-1])
    assert "--optimizer.lr" not in words


def test_overrides_are_those_of_hydra(tmp_path):
    """Its own parser reads the same values back, whatever a text holds."""
    parser = pytest.importorskip("hydra.core.override_parser.overrides_parser").OverridesParser.create()
    texts = [
        "a b",
        "it's",
        "a,b",
        "null",
        "1e5",
        "",
        "\\",
        "x\\'",
        "[1]",
        "a=b",
        "{x}",
        'say "x"',
        "a:b",
        "é",
        "true",
    ]
    for text in texts:
        word = filled("x {overrides}", Given(name=text), tmp_path)[2]
        assert text == parser.parse_override(word).value(), word
    words = filled("x {overrides}", Given(no_aug=True, sizes=(3, 4)), tmp_path)
    read = {one.key_or_group: one.value() for one in parser.parse_overrides(words[1:])}
    expected = {
        "lr": 1e-05,
        "name": "a b",
        "no_aug": True,
        "dropout": None,
        "sizes": [3, 4],
        "optimizer.lr": 0.1,
    }
    assert {**expected, "optimizer.weight_decay": None} == read


def test_a_path_reaches_hydra_whole(tmp_path):
    """With blanks, commas and brackets; a number stays one, and what a person has quoted stays as it is."""
    parser = pytest.importorskip("hydra.core.override_parser.overrides_parser").OverridesParser.create()
    line = ["x", "{overrides}", "seed={seed}", "a={out}", "b={out}/c", "+d={lr}", "e='{out}'", "--f={out}"]
    out = Path("/a b,[c]")
    words = Command.of(line).fill(Given(seed=3), out=out, scratch=tmp_path)
    read = {one.key_or_group: one.value() for one in parser.parse_overrides([*words[-6:-1]])}
    assert {"seed": 3, "a": str(out), "b": f"{out}/c", "d": 1e-05, "e": str(out)} == read
    assert f"--f={out}" == words[-1]


def test_an_interpolation_in_a_text_stays_text(tmp_path):
    """OmegaConf does not resolve what a person wrote as a value."""
    parser = pytest.importorskip("hydra.core.override_parser.overrides_parser").OverridesParser.create()
    omegaconf = pytest.importorskip("omegaconf")
    for text in ("${seed}", "a\\${seed}", "$x"):
        value = parser.parse_override(filled("x {overrides}", Given(name=text), tmp_path)[2]).value()
        assert text == omegaconf.OmegaConf.create({"seed": 1, "name": value}).name


@pytest.mark.parametrize("place", ["config_json", "config_yaml"])
def test_a_file_holds_every_field_and_the_seed(tmp_path, place):
    """As YAML 1.1 reads it too, to which 1e-05 is text."""
    config = Given(seed=7, name="null", optimizer=Optimizer(weight_decay=1e-5))
    path = Path(filled(f"x {{{place}}}", config, tmp_path)[1])
    assert path.suffix == f".{place[-4:]}"
    read = {"config_json": json.loads, "config_yaml": yaml.safe_load}[place]
    assert config.model_dump(mode="json") == read(path.read_text())


def test_yaml_reads_back_what_a_config_holds(tmp_path):
    """Names that are truth values, characters that YAML escapes or folds, and numbers of every size."""

    class Odd(Config):
        no: int = 3
        on: tuple[str, ...] = ("no", "1e5", "", "😀 # : - é", "a\x7f\x85\u2028b", 'say "x" \\ \n', "~", "0x1")
        sizes: tuple[float, ...] = (1e-5, 1e22, -2.5e-7, 1e300, 0.1, 3.0)

    path = Path(filled("x {config_yaml}", Odd(), tmp_path)[1])
    assert Odd().model_dump(mode="json") == yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("word", ["python", "python3", f"python3.{sys.version_info.minor}"])
def test_python_is_the_one_that_runs(tmp_path, word):
    """Whose packages are recorded, by whichever of its names."""
    assert sys.executable == filled(f"{word} x.py", Given(), tmp_path)[0]


@pytest.mark.parametrize(
    ("command", "word", "named"),
    [
        ("x {flags}", "{out}/last.pt", "/a b,c/last.pt"),
        ("x {flags}", "--resume={out}/last.pt", "/a b,c/last.pt"),
        ("x {flags}", "ckpt={out}/last.pt", "/a b,c/last.pt"),
        ("x {overrides}", "+ckpt={out}/last.pt", "/a b,c/last.pt"),
        ("x {overrides}", "ckpt='{out}/last.pt'", "/a b,c/last.pt"),
        ("x {flags}", "{out}", "/a b,c"),
    ],
)
def test_a_path_in_out_is_found_however_it_is_written(command, word, named):
    """And reaches the script by the grammar that the command is written in."""
    out = Path("/a b,c")
    assert [Path(named)] == paths_in_out([word], out)
    (filled_word,) = Command.of(command).fill_further([word], out)
    if command.endswith("{overrides}"):
        parsers = pytest.importorskip("hydra.core.override_parser.overrides_parser")
        assert named == parsers.OverridesParser.create().parse_override(filled_word).value()
    else:
        assert word.replace("{out}", str(out)) == filled_word


class Bad(Config):
    """What flags cannot say."""

    use_aug: bool = True
    ema: float | None = 0.9
    pairs: tuple[tuple[int, int], ...] = ()


@pytest.mark.parametrize(
    ("command", "config", "fault"),
    [
        ("x {flag} {seed} {out}", Given, r"no \{flag\}; did you mean 'flags'"),
        ("x {flags} {seed}", Given, r"\{out\} is missing"),
        ("x {flags} {out}", Given, "the seed is given nowhere"),
        ("x {seed} {out}", Given, r"Given\.lr: the command gives it nowhere"),
        ("x --all={flags} {seed} {out}", Given, "becomes several words"),
        ("x {flags} {overrides} {seed} {out}", Given, "give every field twice"),
        ("x {sizes} {config_json} {out}", Given, r"Given\.sizes: \{sizes\} can only hold"),
        ("x {flags} {seed} {out}", Bad, r"Bad\.use_aug: a flag that is left out .* no_use_aug: bool = False"),
        ("x {flags} {seed} {out}", Bad, r"Bad\.ema: None is given by leaving the flag out"),
        ("x {flags} {seed} {out}", Bad, r"Bad\.pairs: a flag can hold"),
        ("", Given, "it is empty"),
        ("x 'y", Given, "No closing quotation"),
        (["x", 1], Given, "a line or a list of words is needed"),
        ("x {flags} {seed} {out", Given, "a brace without its other one"),
        ("python2 x.py {flags} {seed} {out}", Given, "python2 is another interpreter"),
        ("python3.99 x.py {flags} {seed} {out}", Given, "python3.99 is another interpreter"),
    ],
)
def test_a_command_that_loses_a_field_is_refused_when_it_is_declared(command, config, fault):
    """Each fault with its next step."""
    with pytest.raises(Refusal, match=fault):
        script(command, metrics=[TOP1], data=Data("None"))(config)


@pytest.mark.parametrize("name", RESERVED)
def test_a_field_named_as_a_place_is_refused(name):
    """It would be filled with something else."""
    kind = type("Named", (Config,), {"__annotations__": {name: str}, name: "a"})
    with pytest.raises(Refusal, match=rf"Named\.{name}: .* call the field by another name"):
        script("x {config_json} {seed} --out {out}", metrics=[TOP1], data=Data("None"))(kind)


@pytest.mark.parametrize(
    "line",
    [
        "{0} | tee log.txt",
        "{0} > log.txt",
        "{0} 2>&1",
        "{0} && echo done",
        "{0}; echo done",
        "{0} &",
        "cd src",
        "export A=1",
        "CUDA_VISIBLE_DEVICES=0 {0}",
        "{0} --data $HOME/data",
        "{0} --data ~/data",
        "{0} --name $(date)",
        ["x", "{flags}", "{seed}", "{out}", "|", "tee"],
        ["VAR=1", "x", "{flags}", "{seed}", "{out}"],
    ],
)
def test_what_only_a_shell_acts_on_is_refused(line):
    """A word such as > would reach the script as an argument."""
    given = line.replace("{0}", "x {flags} {seed} {out}") if isinstance(line, str) else line
    with pytest.raises(Refusal, match=r"no shell reads it.*sh -c"):
        script(given, metrics=[TOP1], data=Data("None"))(Given)


def test_what_is_quoted_is_text():
    """As a shell takes it; and a list of words is taken as it is where one is the value of a flag."""
    assert ("x", "a | b; $c > d") == Command.of("x 'a | b; $c > d'").words
    assert ("x", "--sep", "|", "${lr}") == Command.of(["x", "--sep", "|", "${lr}"]).words


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"resume": "--resume {out/last.pt"}, "resume: .* a brace without"),
        ({"resume": "--resume out}/last.pt"}, "resume: .* a brace without"),
        ({"resume": ["--resume", "{ out }"]}, r"resume: only \{out\} is filled in it"),
        ({"check": "--lr {lr}"}, r"check: only \{out\} is filled in it, not \{lr\}"),
        ({"check": "--dry {}"}, r"check: only \{out\}"),
        ({"check": ""}, "check: it is empty"),
        ({"silent_limit_s": "60"}, "silent_limit_s: seconds above 0 are needed; got '60'"),
        ({"silent_limit_s": True}, "silent_limit_s: "),
        ({"silent_limit_s": float("nan")}, "silent_limit_s: "),
        ({"metrics_file": None}, "metrics_file: the path of a file inside"),
        ({"metrics_file": "/etc/passwd"}, "metrics_file: "),
        ({"metrics_file": "{out}/m.json"}, "metrics_file: "),
        ({"progress_file": "../x.jsonl"}, "progress_file: "),
        ({"items_file": ""}, "items_file: "),
        ({"items_file": 3}, "items_file: "),
        ({"num_epochs": 5}, "num_epochs: Given has no whole number 5"),
        ({"sources": None}, "sources: a list of paths is needed.* got None"),
        ({"sources": [1]}, "sources: a list of paths"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_refused(more, fault):
    """When it is declared, and not while a training runs."""
    with pytest.raises(Refusal, match=fault):
        script("x {flags} {seed} {out}", metrics=[TOP1], data=Data("None"), **more)(Given)


def test_all_faults_are_told_together():
    """Of the command, the config and what else is named."""
    with pytest.raises(Refusal) as refused:
        script(
            "x {flags} {nothing}",
            metrics=[TOP1],
            data=Data("None"),
            sources=["absent.py"],
            num_epochs="epoch",
            resume="--resume {last}",
            silent_limit_s=0,
        )(Bad)
    told = str(refused.value)
    for part in (
        "{nothing}",
        "{out}",
        "seed",
        "use_aug",
        "ema",
        "pairs",
        "absent.py",
        "'epoch'",
        "{last}",
        "silent",
    ):
        assert part in told
