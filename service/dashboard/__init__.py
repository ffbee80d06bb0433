"""The dashboard: pages for operators, and the timeline of an event."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.dashboard.app import create_dashboard

__all__ = ["create_dashboard"]


def __getattr__(name: str) -> Any:
    """Load the application when it is asked for: `ringback events show` needs the timeline alone."""
    if name == "create_dashboard":
        from service.dashboard.app import create_dashboard  # noqa: PLC0415 - see above

        return create_dashboard
    raise AttributeError(name)
