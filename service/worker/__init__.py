"""Claim, run, record, maintain."""

from typing import Any

from service.outbound.sdk_on_demand import load_sdk_on_demand

# Before any module imports the SDK, which takes a second where it is loaded whole.
load_sdk_on_demand()


def __getattr__(name: str) -> Any:
    """Return `WorkerSettings` for stock arq. Importing this package alone loads no SDK and reads no setting."""
    if name == "WorkerSettings":
        from service.worker.arq_compat import worker_settings  # noqa: PLC0415 - the Telnyx SDK takes a second

        return worker_settings()
    raise AttributeError(name)
