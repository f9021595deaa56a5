"""What Ray keeps of a cluster in a process, and what it does to the next one that the process joins."""

import os

import pytest
from ray._private.authentication.authentication_token_setup import enable_token_auth_by_default
from ray._raylet import AuthenticationTokenLoader, get_authentication_mode

from tablewright.orchestrator.on_ray import ray_address, ray_cluster
from tablewright.orchestrator.on_ray.ray_address import Answer, admitted
from tablewright.orchestrator.on_ray.ray_authentication import MODE, TOKEN, TOKEN_PATH, heed_variables
from tablewright.orchestrator.on_ray.ray_cluster import RayCluster

pytestmark = pytest.mark.slow  # imports Ray


@pytest.fixture(autouse=True)
def without_token(tmp_path, monkeypatch):
    """Keep the tokens of who runs the tests out of them, and what Ray learns in them out of other tests."""
    with monkeypatch.context() as patched:
        patched.setenv("HOME", str(tmp_path))
        for name in (MODE, TOKEN, TOKEN_PATH):
            patched.delenv(name, raising=False)
        heed_variables()
        yield
    heed_variables()


def of_ray():
    """Whether Ray shows a token now, and whether it has one."""
    has_token = AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True)
    return get_authentication_mode(), has_token, os.environ.get(MODE)


def test_a_ray_of_this_machine_leaves_no_token_to_the_next_cluster(monkeypatch):
    """One that has none would take a driver that demands one for dead, and end its workers before they begin."""
    meanwhile = []

    def start_ray(folder, count_workers):
        enable_token_auth_by_default()
        meanwhile.append(of_ray())

    before = of_ray()
    monkeypatch.setattr(ray_cluster, "_start_ray", start_ray)
    with RayCluster(None, lambda machine: 1, None).connect():
        pass
    assert before == of_ray()
    assert before[:2] != meanwhile[0][:2]


@pytest.mark.parametrize("demands", [False, True])
def test_a_cluster_is_joined_as_it_demands_whatever_this_process_did_before(monkeypatch, demands):
    """Ray went by what an earlier cluster of this process demanded; afterwards it is as before."""
    monkeypatch.setattr(
        ray_address,
        "ask",
        lambda address, token="": Answer(ray_address.ray.__version__, demands and not token),
    )
    monkeypatch.setenv(TOKEN, "ab" * 32)
    monkeypatch.setenv(MODE, "disabled" if demands else "token")
    heed_variables()
    monkeypatch.delenv(MODE)
    left_by_another = get_authentication_mode()
    with admitted("127.0.0.1:9"):
        assert left_by_another != get_authentication_mode()
        assert demands == (os.environ.get(MODE) == "token")
    assert MODE not in os.environ


def test_a_cluster_without_token_is_not_joined_by_who_demands_one(monkeypatch):
    """No training could begin; the words say what to unset, and that Ray may have set it."""
    monkeypatch.setattr(ray_address, "ask", lambda address: Answer(ray_address.ray.__version__))
    monkeypatch.setenv(MODE, "token")
    with pytest.raises(
        ValueError, match=r"demands no token, and RAY_AUTH_MODE is token .* Unset RAY_AUTH_MODE"
    ):
        admitted("127.0.0.1:9").__enter__()
