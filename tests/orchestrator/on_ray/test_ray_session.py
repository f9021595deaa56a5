"""The environment of a Ray that is started here."""

import os

from tablewright.orchestrator.on_ray.ray_session import OF_A_JOB, private_session


def test_a_ray_started_inside_a_ray_job_knows_nothing_of_that_job(monkeypatch):
    """It would look for the job's files in its own cluster, and lose each worker; afterwards all is as before."""
    for name in OF_A_JOB:
        monkeypatch.setenv(name, "of the job")
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    before = dict(os.environ)
    with private_session() as folder:
        assert {*()} == {*OF_A_JOB} & {*os.environ}
        assert "token" == os.environ["RAY_AUTH_MODE"]
        assert folder.is_dir()
    assert before == dict(os.environ)
    assert not folder.exists()
