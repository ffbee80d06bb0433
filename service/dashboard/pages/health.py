"""The findings of the doctor. The checks run beside the page, which shows the latest findings at once."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit
from service.doctor.checks import examine_deployment
from service.doctor.finding import Finding
from service.settings import Settings

FRESH = 60.0
"""Seconds for which findings are shown without a new check: some of them ask Telnyx."""


@dataclass
class Examination:
    """The latest findings of this process, and the checks that run now."""

    findings: list[Finding] = field(default_factory=list)
    at: float = 0.0
    task: "asyncio.Task[None] | None" = None

    @property
    def is_running(self) -> bool:
        """Whether checks run now."""
        return self.task is not None and not self.task.done()

    def refresh(self, settings: Settings) -> None:
        """Begin the checks, unless they run or are fresh."""
        if not self.is_running and (not self.at or time.time() - self.at > FRESH):
            self.task = asyncio.create_task(self._run(settings))

    async def _run(self, settings: Settings) -> None:
        self.findings, self.at = await examine_deployment(settings), time.time()


async def health(visit: Visit) -> View:
    """Show the findings, those that want something first."""
    examination: Examination = visit.request.app.state.examination
    examination.refresh(visit.settings)
    order = {"failed": 0, "warning": 1, "ok": 2}
    data = {
        "findings": sorted(examination.findings, key=lambda each: order[each.status]),
        "numbers": Counter(each.status for each in examination.findings),
        "at": int(examination.at * 1000),
        "is_running": examination.is_running,
    }
    return View("health", data, live=True)


PAGES = (Page("/health", health),)
