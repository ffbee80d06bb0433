"""A collector for traces, which takes OTLP over HTTP as a real one does, and keeps the spans."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}


@dataclass(frozen=True)
class Exported:
    """One span. Ids are hexadecimal, `links` are pairs of the ids of a trace and a span."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    failed: bool
    attributes: dict[str, Any]
    links: list[tuple[str, str]]
    seconds: float
    state: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """What a link to this span holds."""
        return self.trace_id, self.span_id


@dataclass
class Collector:
    """The spans that came, and their bytes."""

    url: str = ""
    spans: list[Exported] = field(default_factory=list)
    raw: bytes = b""

    def of_kind(self, kind: str) -> list[Exported]:
        """The spans of a kind."""
        return [each for each in list(self.spans) if each.kind == kind]

    def take(self, body: bytes) -> None:
        """Keep an export."""
        request = ExportTraceServiceRequest.FromString(body)
        self.raw += body
        for resource in request.resource_spans:
            service = next(
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            )
            self.spans += [_read(service, span) for scope in resource.scope_spans for span in scope.spans]


def _read(service: str, span: Any) -> Exported:
    values = {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
    links = [(each.trace_id.hex(), each.span_id.hex()) for each in span.links]
    seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
    return Exported(
        service, span.name, KINDS[span.kind], *ids, span.status.code == 2, values, links, seconds, span.trace_state
    )


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on a free port of this machine."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
