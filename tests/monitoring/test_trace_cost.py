"""The cost of traces where nothing is sampled, in calls of functions, which no busy machine changes."""

import asyncio
import sys
from types import FrameType
from typing import Any

import pytest

from service.ingress.traced_reception import TracedReception
from service.ingress.webhook_endpoint import PendingDelivery
from service.monitoring.traces.switch import open_tracing
from service.store.inbox.accept import NewEvent
from service.worker import traced_runs
from tests.monitoring.otlp_collector import Collector

HEADERS = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"telnyx-timestamp", b"1")]
EVENT = NewEvent("id", "test.any", b"{}", "webhook")


class Inbox:
    """Takes what is submitted."""

    def __init__(self) -> None:
        self.submitted: list[NewEvent] = []

    def submit(self, arrival: NewEvent, answer: object) -> None:
        del answer
        self.submitted.append(arrival)


class Request:
    """A request with the headers of a webhook."""

    headers = HEADERS
    began = 0.0


def calls_of(function: Any, *arguments: Any) -> list[str]:
    """The Python functions that a call runs, itself included."""
    called: list[str] = []

    def see(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called.append(frame.f_code.co_name)

    sys.setprofile(see)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return called


@pytest.mark.parametrize("sampler", ["", "parentbased_traceidratio"])
def test_a_webhook_that_is_not_sampled_costs_one_choice(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    # The second of the first ten traces lasts.
    monkeypatch.setattr("service.monitoring.traces.sampling.time.monotonic", lambda: 1000.5)
    tracing = open_tracing("ingress")
    assert tracing is not None
    reception: Any = object.__new__(TracedReception)
    reception.inbox = inbox = Inbox()
    reception._choose = tracing.webhook_chooser("/webhooks")
    while not sampler and reception._choose() is not None:
        pass
    delivery: Any = object.__new__(PendingDelivery)
    delivery.request = Request()
    called = calls_of(reception._submit, EVENT, delivery)
    assert inbox.submitted == [EVENT]
    # The last ones ask for the time, or for a random number.
    assert called[:2] == ["_submit", "choose" if not sampler else "<lambda>"]
    assert len(called) <= 5
    asyncio.run(tracing.close())


def test_a_run_without_a_trace_is_that_of_a_worker_without_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    class Running:
        class lease:  # noqa: N801 - an attribute
            class record:  # noqa: N801 - an attribute
                trace = None

    untraced = object()
    monkeypatch.setattr(traced_runs, "run_handler", lambda *_, **__: untraced)
    runs: Any = traced_runs.TracedRuns(None)  # type: ignore[arg-type]
    # The very coroutine, with none around it.
    assert runs(None, Running(), "note") is untraced
