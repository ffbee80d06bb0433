"""The outcomes that a handler may raise: run again, done without acting, dead."""

from datetime import timedelta


class Outcome(Exception):
    """An exception by which a handler ends, other than by returning."""


class Retry(Outcome):
    """Run this handler again after seconds or a timedelta. Costs no attempt, ends as dead after `RINGBACK_MAX_WAIT`."""

    def __init__(self, *, after: float | timedelta, reason: str = "") -> None:
        self.after = after.total_seconds() if isinstance(after, timedelta) else float(after)
        if not 0 <= self.after < float("inf"):
            raise ValueError(f"Retry(after=…) takes seconds, 0 or more, not {after!r}")
        self.reason = reason
        super().__init__(f"again in {self.after:g} s")


class Discard(Outcome):
    """End as done without acting. `why` is kept with the event, so leave out numbers and texts."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class Dead(Outcome):
    """End as dead at once: no further run can help. `reason` is counted, `detail` is for a person."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail)
