"""What may be said on the command line or in the environment, and what is refused."""

import dataclasses

import pytest
import typer

from orchestrator.settings import NO_OPTIONS, Settings, refuse_unknown_variables, variable_of


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"profile": "papr"}, "--profile is 'papr'; it is one of demo, paper"),
        ({"store": ""}, "--store is empty"),
        (
            {"tracking_uri": "htp://there"},
            "--tracking-uri is 'htp://there'; it is 'none' or begins with one of http,",
        ),
        ({"tracking_uri": "non"}, "--tracking-uri is 'non'"),
        ({"gpus_per_training": float("nan")}, "--gpus-per-training is nan"),
        ({"gpus_per_training": 1.5}, "--gpus-per-training is 1.5"),
        ({"max_concurrent": 0}, "--max-concurrent is 0"),
        ({"seeds": "1 2"}, "--seeds is '1 2'; write whole numbers with commas"),
        ({"seeds": "1.0"}, r"--seeds is '1\.0'; write whole numbers with commas"),
        ({"seeds": "²"}, "--seeds is '²'; write whole numbers with commas"),
        ({"seeds": "0,1,"}, "--seeds is '0,1,'; write whole numbers with commas"),
        (
            {"seeds": "-1"},
            "--seeds is '-1'; a whole number of at least 0 and below 4294967296 is needed; got -1",
        ),
        ({"seeds": "0,4294967296"}, "below 4294967296 is needed; got 4294967296"),
        ({"seeds": "1,2, 1"}, "--seeds is '1,2, 1'; 1 is given twice"),
        ({"store": "s3://bucket/runs"}, "can hold no database; name one with --search-storage"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, message):
    """The message names the option, what was given and what is allowed."""
    with pytest.raises(ValueError, match=message):
        Settings(("mdpr_ablation",), **given)


def test_databases_of_every_kind_may_track():
    """A server, a file and a database with its driver's name are addresses."""
    for uri in (
        "http://127.0.0.1:5000",
        "sqlite:///x.db",
        "postgresql+psycopg2://user@host/name",
        "none",
        None,
    ):
        assert Settings(("mdpr_ablation",), tracking_uri=uri).tracking_uri == uri


def test_a_misspelt_variable_is_refused_with_the_nearest():
    """It would be ignored, and a night's trainings would land elsewhere."""
    environment = {"TABLEWRIGHT_STOR": "x", "TABLEWRIGHT_SEEDS": "1", "HOME": "/"}
    with pytest.raises(
        ValueError, match=r"TABLEWRIGHT_STOR is of no option; did you mean TABLEWRIGHT_STORE\?"
    ):
        refuse_unknown_variables(environment)
    del environment["TABLEWRIGHT_STOR"]
    refuse_unknown_variables(environment)


def test_columns_of_data_sets_that_are_not_there_are_left_out(tmp_path):
    """Whoever has Market-1501 alone fills its columns; the name must be one that heads a column."""
    given = {"profile": "paper", "data_root": str(tmp_path)}
    (study,) = Settings(("mdpr_ablation",), **given, datasets="Market-1501").load_studies()
    assert ("Market-1501",) == study.dataset_labels
    with pytest.raises(ValueError, match="names 'market'; these studies have Market-1501, DukeMTMC-reID"):
        Settings(("mdpr_ablation",), **given, datasets="market").load_studies()


def test_every_option_has_its_variable():
    """What the command line takes and what the settings hold have one set of names."""
    from sweep import app

    options = {
        name.removeprefix("--") for parameter in typer.main.get_command(app).params for name in parameter.opts
    }
    held = {field.name for field in dataclasses.fields(Settings)} - set(NO_OPTIONS)
    names = {name.replace("_", "-") for name in held}
    assert names <= options
    refuse_unknown_variables({variable_of(name): "" for name in names})
