"""Hears that this machine is to be taken away, so that its trainings save their state first.

Clouds tell a machine of it by a service that the machine alone can ask: Amazon two minutes before, Google and Azure
half a minute. Where no such service answers, as in an office, it is asked once and never again. A scheduler's signal
(SLURM, Kubernetes) is `signals`' concern, and what a cluster's own software knows is asked through `also`.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

LINK_LOCAL = "http://169.254.169.254"
"""Where all three clouds answer; no address of another machine."""
ASK_EVERY_S = 5.0
"""Amazon's own advice; Google and Azure leave thirty seconds."""
FIRST_LIMIT_S, LIMIT_S = 1.0, 10.0
"""How long an answer may take: whether there is such a service at all, and from one that is known."""
TOKEN_S = 21600
"""How long Amazon's token is to be good for; the longest that there is."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Notice:
    """Word that this machine is to go.

    Attributes:
        text: who says so, and what is going to happen when.
        is_final: false where it may yet stay: then its trainings save, and go on here.
    """

    text: str
    is_final: bool = True


Ask = Callable[[], Notice | None]
"""Asks whether there is a notice now; what goes wrong raises OSError or ValueError."""


class _Service:
    """A machine's own service of facts. No proxy stands between: it would answer of its own machine, or not at all."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def get(
        self, path: str, headers: Mapping[str, str], *, method: str = "GET", limit_s: float = LIMIT_S
    ) -> str | None:
        """Read a fact; None where there is none of that name.

        Raises:
            OSError: nothing answers, or what answers refuses.
        """
        request = urllib.request.Request(f"{self._url}{path}", headers=dict(headers), method=method)
        try:
            with self._open(request, timeout=limit_s) as answer:
                return answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise
        except http.client.HTTPException as error:
            raise OSError(f"{self._url} speaks no HTTP ({error})") from error


class _Amazon:
    """Spot interruptions and recommendations, by the second version of the service, which wants a token."""

    def __init__(self, service: _Service, token: str) -> None:
        self._service, self._token = service, token

    @staticmethod
    def found(service: _Service) -> Ask | None:
        token = _Amazon._new_token(service, FIRST_LIMIT_S)
        return None if token is None else _Amazon(service, token)

    @staticmethod
    def _new_token(service: _Service, limit_s: float) -> str | None:
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_S)}
        return service.get("/latest/api/token", headers, method="PUT", limit_s=limit_s)

    def _get(self, name: str) -> str | None:
        path = f"/latest/meta-data/{name}"
        try:
            return self._service.get(path, {"X-aws-ec2-metadata-token": self._token})
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.UNAUTHORIZED:
                raise
        self._token = self._new_token(self._service, LIMIT_S) or ""  # the old one has run out
        return self._service.get(path, {"X-aws-ec2-metadata-token": self._token})

    def __call__(self) -> Notice | None:
        if action := self._get("spot/instance-action"):
            told = json.loads(action)
            return Notice(f"Amazon takes this spot machine back ({told['action']} at {told['time']})")
        if advice := self._get("events/recommendations/rebalance"):
            told = json.loads(advice)
            return Notice(
                f"Amazon may take this spot machine back soon (told at {told['noticeTime']})", is_final=False
            )
        return None


class _Google:
    """Preemption, and maintenance that a machine with a GPU does not outlive."""

    _HEADERS: ClassVar = {"Metadata-Flavor": "Google"}
    _INSTANCE = "/computeMetadata/v1/instance"

    def __init__(self, service: _Service) -> None:
        self._service = service

    @staticmethod
    def found(service: _Service) -> Ask | None:
        told = service.get(f"{_Google._INSTANCE}/preempted", _Google._HEADERS, limit_s=FIRST_LIMIT_S)
        return _Google(service) if told is not None and told.strip() in ("TRUE", "FALSE") else None

    def _get(self, name: str) -> str:
        return (self._service.get(f"{self._INSTANCE}/{name}", self._HEADERS) or "").strip()

    def __call__(self) -> Notice | None:
        if self._get("preempted") == "TRUE":
            return Notice("Google takes this machine back (within half a minute)")
        if self._get("maintenance-event") == "TERMINATE_ON_HOST_MAINTENANCE":
            return Notice("Google stops this machine for maintenance (within an hour)", is_final=False)
        return None


class _Azure:
    """Scheduled events of this machine; the service tells of all machines of its set."""

    _HEADERS: ClassVar = {"Metadata": "true"}
    _ENDING = ("Preempt", "Terminate", "Reboot", "Redeploy")

    def __init__(self, service: _Service, machine: str) -> None:
        self._service, self._machine = service, machine

    @staticmethod
    def found(service: _Service) -> Ask | None:
        path = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
        machine = service.get(path, _Azure._HEADERS, limit_s=FIRST_LIMIT_S)
        return None if machine is None else _Azure(service, machine.strip())

    def __call__(self) -> Notice | None:
        told = self._service.get("/metadata/scheduledevents?api-version=2020-07-01", self._HEADERS)
        events: Sequence[Mapping[str, Any]] = json.loads(told or "{}").get("Events", [])
        for event in events:
            if event.get("EventType") in self._ENDING and self._machine in event.get("Resources", ()):
                when = event.get("NotBefore") or "now"
                return Notice(f"Azure takes this machine back ({event['EventType']}, {when})")
        return None


def service_urls() -> dict[str, str]:
    """Say where each cloud's service answers; variables of Amazon's and Google's own programs move theirs."""
    google = os.environ.get("GCE_METADATA_HOST")
    urls = {
        "amazon": os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", LINK_LOCAL),
        "google": LINK_LOCAL if google is None else f"http://{google}",
        "azure": LINK_LOCAL,
    }
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        del urls["amazon"]
    return urls


_CLOUDS: Mapping[str, Callable[[_Service], Ask | None]] = {
    "amazon": _Amazon.found,
    "google": _Google.found,
    "azure": _Azure.found,
}


def find_service(urls: Mapping[str, str]) -> Ask | None:
    """Find whose machine this is; None where no such service answers.

    Args:
        urls: by cloud, as of `service_urls`. One that does not take a connection is asked once, for all clouds.
    """
    silent: set[str] = set()
    for cloud, url in urls.items():
        if url in silent:
            continue
        try:
            if (ask := _CLOUDS[cloud](_Service(url))) is not None:
                return ask
        except urllib.error.HTTPError:
            continue  # another cloud's, which refuses
        except (OSError, ValueError):
            silent.add(url)
    return None


class NoticeWatch:
    """Asks now and then whether this machine is to go, in a thread of its own that the first look starts."""

    def __init__(
        self, also: Sequence[Ask] = (), *, every_s: float = ASK_EVERY_S, urls: Mapping[str, str] | None = None
    ) -> None:
        """Ask nothing yet.

        Args:
            also: asked beside the cloud's service, such as the cluster whether it drains this machine.
            every_s: between two rounds of questions.
            urls: of the clouds' services; None is where they are.
        """
        self._also, self._every_s, self._urls = list(also), every_s, urls
        self._thread: threading.Thread | None = None
        self._notice: Notice | None = None
        self._followed: str | None = None

    @property
    def notice(self) -> Notice | None:
        """The word that this machine goes, as long as it stands; None where it stays, or may stay."""
        self._begin()
        notice = self._notice
        return notice if notice is not None and notice.is_final else None

    def asks_to_save(self) -> bool:
        """Say whether a training is to save and end now; cheap enough for every step."""
        self._begin()
        notice = self._notice
        return notice is not None and (notice.is_final or notice.text != self._followed)

    def follow(self) -> None:
        """Take a word that this machine may go as followed: its trainings have saved, and go on."""
        notice = self._notice
        if notice is not None and not notice.is_final:
            self._followed = notice.text

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="termination notice", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        service = find_service(service_urls() if self._urls is None else self._urls)
        asks = [*self._also, *([] if service is None else [service])]
        told: list[Notice | None] = [None for _ in asks]
        wait = threading.Event()
        while asks:
            for number, ask in enumerate(asks):
                try:
                    told[number] = ask()
                except Exception as error:  # of one that does not answer now: what it said last stands
                    logger.debug("nobody says whether this machine is to go: %s", error)
            notices = [notice for notice in told if notice is not None]
            self._notice = next((notice for notice in notices if notice.is_final), next(iter(notices), None))
            wait.wait(self._every_s)
