"""What an operator does about the events of a stack: commands, each followed by an audit that must find nothing."""

import re
from dataclasses import dataclass

from service.store.connection import connect_blocking
from tests.cli.deployment import Deployment, Ran
from tests.stack import Stack

_LOGGED = re.compile(r"^\S+ \S+ \[\w+ *\].*\n", re.MULTILINE)
"""What the workers of this process log while a command runs in it too."""


@dataclass(frozen=True)
class Operator:
    """Runs commands on a stack's deployment."""

    stack: Stack
    deployment: Deployment

    @classmethod
    def of(cls, stack: Stack) -> "Operator":
        url = stack.redis_url
        redis = connect_blocking(url, timeout=10)
        stack.workers.callback(redis.close)
        return cls(stack, Deployment(url, stack.settings.namespace, redis))

    def run(self, *arguments: str, code: int = 0) -> Ran:
        """A command that ends with this code; whatever it did, nothing may be out of its place."""
        ran = self.deployment.run(*arguments)
        assert ran.code == code, ran.stdout + ran.stderr
        audited = self.deployment.run("audit")
        assert audited.code == 0, audited.stdout + audited.stderr
        return Ran(ran.code, _LOGGED.sub("", ran.stdout), ran.stderr)
