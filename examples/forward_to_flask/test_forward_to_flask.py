"""The application behind a real web server, and Ringback's own handler that forwards to it."""

import threading

import pytest
from app import app
from werkzeug.serving import make_server

from handlers.forward import forward, router
from service.testing import make_event

SECRET = "whsec_cmluZ2JhY2sgZXhhbXBsZSBvZiBhIHNlY3JldCBrZXk="


@pytest.fixture
def settings(monkeypatch):
    """Ringback's settings, and the running application that they name."""
    monkeypatch.setenv("RINGBACK_FORWARD_SECRET", SECRET)
    app.config["SEEN"].clear()
    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/webhooks"
    yield {"RINGBACK_FORWARD_URL": url, "RINGBACK_FORWARD_SECRET": SECRET}
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_event_reaches_the_application(run_handler, settings):
    ran = run_handler(forward, make_event("message.received", event_id="event-1"), router=router, settings=settings)
    assert (ran.outcome, ran.error, app.config["SEEN"]) == ("done", None, {"event-1"})


def test_another_secret_is_refused_and_the_event_stays(run_handler, settings):
    other = {**settings, "RINGBACK_FORWARD_SECRET": "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlIHNhbWUgbGVuZ3Ro"}
    ran = run_handler(forward, make_event("message.received"), router=router, settings=other)
    assert (ran.outcome, ran.reason, app.config["SEEN"]) == ("waiting", "error", set())
