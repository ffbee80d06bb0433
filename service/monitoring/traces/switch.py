"""Whether traces are on, by OpenTelemetry's own variables. Nothing of OpenTelemetry is imported where they are off."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

import structlog

from service.security.masking import describe_error
from service.settings.variables import export_env_file

if TYPE_CHECKING:
    from service.monitoring.traces.tracing import Tracing

log = structlog.get_logger(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
NO_EXTRA = (
    "traces are on by the variables OTEL_…, and OpenTelemetry is not installed: pip install 'ringback[otel]',"
    " or set OTEL_SDK_DISABLED=true"
)


def is_on(environment: Mapping[str, str]) -> bool:
    """Return whether the environment asks for traces: it names an exporter, or an endpoint to send them to."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporter == "none":
        return False
    return bool(exporter) or any(environment.get(name, "").strip() for name in _ENDPOINTS)


def trouble(environment: Mapping[str, str]) -> str | None:
    """Return why traces are on and cannot be sent, and what to do, or None."""
    if not is_on(environment):
        return None
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter not in ("", "otlp"):
        return "OTEL_TRACES_EXPORTER names another exporter than otlp: set it to otlp, or to none for no traces"
    protocol = next((environment[name].strip() for name in _PROTOCOLS if environment.get(name, "").strip()), "")
    if protocol not in ("", "http/protobuf"):
        return f"{' or '.join(_PROTOCOLS)} names another protocol than http/protobuf: set it to http/protobuf"
    return None if _is_installed() else NO_EXTRA


def open_tracing(role: str) -> "Tracing | None":
    """Return the traces of a process of this role, or None where they are off. They never stop a process.

    Variables of `.env` count too. Close it at the end of the process.
    """
    export_env_file(only="OTEL_")
    if not is_on(os.environ):
        return None
    problem = trouble(os.environ)
    if problem is not None:
        log.error(problem)
        return None
    from service.monitoring.traces.tracing import open_provider  # noqa: PLC0415 - only where traces are on

    try:
        return open_provider(role, os.environ)
    except Exception as error:  # noqa: BLE001 - whatever the SDK finds wrong with its variables
        log.error("traces are off: correct OpenTelemetry's variables OTEL_…", error=describe_error(error))
        return None


def _is_installed() -> bool:
    try:
        return find_spec(_EXPORTER) is not None
    except ModuleNotFoundError:
        return False
