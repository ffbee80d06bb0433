"""The official SDK in a worker: only what is used is loaded, and all else can still be imported."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def run(code: str) -> str:
    """Run Python code in a process of its own, and return its output."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_worker_loads_a_small_part_of_the_sdk() -> None:
    loaded = run(
        "import sys, service.worker.worker_process\n"
        "from telnyx import AsyncTelnyx\n"
        "client = AsyncTelnyx(api_key='KEY')\n"
        "client.messages.rcs, client.messaging_optouts\n"
        "print(sum(each.startswith('telnyx.') for each in sys.modules))"
    )
    assert 0 < int(loaded) < 400, "the whole SDK has more than 3,000 modules"


def test_no_command_loads_the_whole_sdk_when_it_starts() -> None:
    loaded = run(
        "import sys\n"
        "from service.cli.command_group import LazyCommands\n"
        "dict(LazyCommands())\n"
        "print(sum(each.startswith('telnyx.') for each in sys.modules))"
    )
    assert 0 < int(loaded) < 400


@pytest.mark.parametrize("first", ["import service.worker", "import telnyx, service.worker"])
def test_handlers_can_import_every_name_of_the_sdk(first: str) -> None:
    shown = run(
        f"{first}\n"
        "import telnyx\n"
        "from telnyx import types\n"
        "assert types is telnyx.types\n"
        "assert telnyx.types.room.Room\n"
        "from telnyx.types import MessagingOptoutListResponse\n"
        "from telnyx.types.messaging_optout_list_response import MessagingOptoutListResponse as Same\n"
        "assert MessagingOptoutListResponse is Same\n"
        "assert telnyx.resources.MessagesResource\n"
        "try:\n"
        "    telnyx.types.NoSuchName\n"
        "except AttributeError:\n"
        "    print('no such name')"
    )
    assert shown == "no such name"
