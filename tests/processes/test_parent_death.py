import subprocess
import sys

import pytest

from tests.processes.children import python, runs
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")

# Its server is any process that SIGTERM ends. It kills itself at the first moment at which there is one.
PARENT = """
import os, signal, subprocess
from service.processes.parent_death import die_with_parent
server = subprocess.Popen(["tail", "-f", "/dev/null"], stdout=subprocess.DEVNULL, preexec_fn=die_with_parent())
os.write(1, b"%d" % server.pid)
os.kill(os.getpid(), signal.SIGKILL)
"""

CHILD = """
import subprocess, sys, time
from service.processes.parent_death import environment_of_child
code = "import time; from service.processes import parent_death as p; {how}; print(1, flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], env=environment_of_child(__import__("os").environ),
    stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


def test_no_moment_is_too_early_to_be_killed() -> None:
    with python(PARENT) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.read())
        wait_for(lambda: not runs(server))


@pytest.mark.parametrize(
    "how",
    ["p.end_with_supervisor()", "p.ENDS_WITH_PARENT = False; p.end_with_supervisor()"],
    ids=["Linux", "elsewhere"],
)
def test_a_command_ends_with_its_supervisor(how: str) -> None:
    with python(CHILD.replace("{how}", how)) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert runs(child)
        parent.kill()
        wait_for(lambda: not runs(child))


def test_a_parent_that_is_gone_already_is_noticed() -> None:
    code = "from service.processes.parent_death import end_with_parent; end_with_parent(1_000_000_000)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 1
