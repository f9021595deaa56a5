"""A machine is told that it is to go: by Amazon, Google and Azure, over real HTTP, and by nobody."""

import json
import socket
import threading
from contextlib import suppress

import pytest

from tablewright.orchestrator.attempts.termination_notice import (
    Notice,
    NoticeWatch,
    find_service,
    service_urls,
)
from tests.metadata_service import metadata_service
from tests.waiting import wait_for

SPOT = "/latest/meta-data/spot/instance-action"
REBALANCE = "/latest/meta-data/events/recommendations/rebalance"
GOOGLE = "/computeMetadata/v1/instance"
EVENTS = "/metadata/scheduledevents"
NAME = "/metadata/instance/compute/name"


def urls_of(service):
    return dict.fromkeys(("amazon", "google", "azure"), service.url)


@pytest.fixture
def service(request):
    with metadata_service(request.param) as service:
        yield service


@pytest.mark.parametrize("service", ["amazon"], indirect=True)
def test_amazon_tells_of_an_interruption(service):
    """The second version of the service, which wants a token, is asked; the words say what happens when."""
    ask = find_service(urls_of(service))
    assert ask() is None
    service.facts[REBALANCE] = json.dumps({"noticeTime": "2026-11-26T15:00:00Z"})
    advice = ask()
    assert (False, True) == (advice.is_final, "2026-11-26T15:00:00Z" in advice.text)
    service.facts[SPOT] = json.dumps({"action": "terminate", "time": "2026-11-26T15:02:00Z"})
    assert Notice("Amazon takes this spot machine back (terminate at 2026-11-26T15:02:00Z)") == ask()


@pytest.mark.parametrize("service", ["amazon"], indirect=True)
def test_amazons_token_is_renewed_when_it_has_run_out(service):
    """A sweep of days outlives a token, and hears of its end all the same."""
    ask = find_service(urls_of(service))
    service.is_token_good = False
    service.facts[SPOT] = json.dumps({"action": "stop", "time": "2026-11-26T15:02:00Z"})
    assert "stop at" in ask().text


@pytest.mark.parametrize("service", ["google"], indirect=True)
def test_google_tells_of_a_preemption(service):
    """So it does of maintenance that a machine with a GPU does not outlive."""
    service.facts[f"{GOOGLE}/preempted"] = "FALSE"
    ask = find_service(urls_of(service))
    assert ask() is None
    service.facts[f"{GOOGLE}/maintenance-event"] = "MIGRATE_ON_HOST_MAINTENANCE"
    assert ask() is None
    service.facts[f"{GOOGLE}/maintenance-event"] = "TERMINATE_ON_HOST_MAINTENANCE"
    assert not ask().is_final
    service.facts[f"{GOOGLE}/preempted"] = "TRUE"
    assert ask().is_final


@pytest.mark.parametrize("service", ["azure"], indirect=True)
def test_azure_tells_of_this_machine_alone(service):
    """Its service tells each machine of the events of all that belong together."""
    service.facts[NAME] = "worker_1"
    ask = find_service(urls_of(service))
    assert ask() is None
    event = {"EventType": "Preempt", "Resources": ["worker_2"], "NotBefore": "Thu, 26 Nov 2026 15:00:30 GMT"}
    service.facts[EVENTS] = json.dumps({"Events": [event]})
    assert ask() is None
    frozen = {**event, "EventType": "Freeze", "Resources": ["worker_1"]}
    service.facts[EVENTS] = json.dumps({"Events": [event, frozen]})
    assert ask() is None
    service.facts[EVENTS] = json.dumps({"Events": [event, {**event, "Resources": ["worker_0", "worker_1"]}]})
    assert Notice("Azure takes this machine back (Preempt, Thu, 26 Nov 2026 15:00:30 GMT)") == ask()


def test_where_nothing_answers_it_is_asked_once():
    """A machine of no cloud costs one connection, for all clouds together, and no further look."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        asked = []

        def refuse():
            with suppress(OSError):  # the server is closed at the end
                while True:
                    connection, _ = server.accept()
                    asked.append(connection)
                    connection.close()

        threading.Thread(target=refuse, daemon=True).start()
        watch = NoticeWatch(every_s=0.01, urls=dict.fromkeys(("amazon", "google", "azure"), url))
        assert not watch.asks_to_save()
        watch._thread.join()
        assert not watch.asks_to_save()
    assert 1 == len(asked)


@pytest.mark.parametrize("service", ["amazon"], indirect=True)
def test_no_proxy_is_asked(service, monkeypatch):
    """A proxy would answer of the machine that it runs on, or not at all."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert find_service(urls_of(service)) is not None


@pytest.mark.parametrize("service", ["amazon"], indirect=True)
def test_a_final_notice_stands_until_it_is_withdrawn(service):
    """A word of what may happen is followed once; a service that fails for a while takes nothing back."""
    watch = NoticeWatch(every_s=0.01, urls=urls_of(service))
    service.facts[REBALANCE] = json.dumps({"noticeTime": "2026-11-26T15:00:00Z"})
    wait_for(watch.asks_to_save)
    assert watch.notice is None
    watch.follow()
    assert not watch.asks_to_save()
    service.facts[SPOT] = json.dumps({"action": "hibernate", "time": "2026-11-26T15:02:00Z"})
    wait_for(watch.asks_to_save)
    watch.follow()
    assert "hibernate" in watch.notice.text
    service.facts[SPOT] = "no JSON"
    num_asked = len(service.asked)
    wait_for(lambda: len(service.asked) > num_asked + 4)
    assert watch.asks_to_save()
    del service.facts[SPOT]
    wait_for(lambda: watch.notice is None)
    assert not watch.asks_to_save()


def test_what_a_cluster_knows_is_asked_too():
    """Where no cloud answers, the word of the cluster's own software is taken."""
    told = []
    watch = NoticeWatch([lambda: next(iter(told), None)], every_s=0.01, urls={})
    assert not watch.asks_to_save()
    told.append(Notice("Ray drains this machine"))
    wait_for(watch.asks_to_save)
    assert told[0] == watch.notice


def test_variables_of_the_clouds_own_programs_are_heeded(monkeypatch):
    """They move a service, and switch Amazon's off."""
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://[fd00:ec2::254]")
    monkeypatch.setenv("GCE_METADATA_HOST", "metadata.google.internal")
    assert ["http://[fd00:ec2::254]", "http://metadata.google.internal"] == list(service_urls().values())[:2]
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert "amazon" not in service_urls()
