"""Every study is declared at two scales, and at no other by mistake."""

import importlib
import inspect
from dataclasses import replace

import pytest

from tablewright.orchestrator.declared.profile import Profile
from tablewright.orchestrator.project.study_files import study_names
from tablewright.orchestrator.project.study_loading import load_study


@pytest.mark.slow
@pytest.mark.parametrize("name", study_names())
@pytest.mark.parametrize("profile", list(Profile))
def test_a_profile_may_be_given_by_its_name(name, profile):
    """`make_study("demo")` declares what the command line does, not the paper's recipe."""
    module = importlib.import_module(f"tablewright.search_spaces.{name}")
    assert load_study(name, profile) == replace(module.make_study(profile.value), profile=profile)


@pytest.mark.parametrize("name", study_names())
def test_a_misspelt_profile_is_refused(name):
    """A study, and the parts that others build on, take nothing for the paper's recipe but `paper`."""
    module = importlib.import_module(f"tablewright.search_spaces.{name}")
    makers = [
        function
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if [*inspect.signature(function).parameters][:1] == ["profile"]
    ]
    assert module.make_study in makers
    for make in makers:
        with pytest.raises(ValueError, match="a profile is one of 'demo', 'paper'; got 'papr'"):
            make("papr")
