"""This machine's configuration: variables, files, handlers, policy, keys."""

import asyncio
import threading
from pathlib import Path

import pytest

from service.doctor.examination import Check, examine
from service.monitoring.traces import switch
from service.processes import mounts
from service.settings.development_key import make_key
from tests.doctor.looking import look, status
from tests.stack import Stack


def write_handlers(text: str) -> None:
    Path("odd_handlers.py").write_text(f"from service import Context, Event, Router\nrouter = Router()\n{text}")


def test_a_variable_that_nothing_reads_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert status(stack, "variables") == "ok"
    monkeypatch.setenv("RINGBACK_SMS_FORM", "+1")
    found = look(stack, "variables")
    assert (found.status, "RINGBACK_SMS_FROM" in found.told) == ("failed", True)


def test_traces_without_the_extra_are_a_failure_that_says_what_to_install(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look(stack, "traces").told == "off"
    Path(".env").write_text("OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318\n")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    assert look(stack, "traces").told == "on"
    monkeypatch.setattr(switch, "find_spec", lambda _: None)
    found = look(stack, "traces")
    assert (found.status, "pip install 'ringback[otel]'" in found.told) == ("failed", True)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert look(stack, "traces").told == "off"


def test_files_that_others_can_change_are_named(stack: Stack, tmp_path: Path) -> None:
    data = tmp_path / "shared"
    data.mkdir(mode=0o700)
    assert status(stack, "files", redis_url=None, data=data) == "ok"
    data.chmod(0o770)
    assert status(stack, "files", redis_url=None, data=data) == "warning"
    data.chmod(0o777)
    assert status(stack, "files", redis_url=None, data=data) == "failed"


def test_handlers_that_leave_an_armed_feature_out_are_a_warning(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path.cwd()))
    assert status(stack, "handlers") == "ok"
    write_handlers("")
    found = look(stack, "handlers", handlers="odd_handlers:router")
    assert (found.status, "has no sms_fallback" in found.told) == ("warning", True)


def test_a_module_that_hangs_is_a_finding_in_time(stack: Stack) -> None:
    end = threading.Event()

    async def hangs(_: object) -> str:
        return "ended" if await asyncio.to_thread(end.wait, 0.3) else "in vain"

    [found] = asyncio.run(examine(stack.settings, [Check("handlers", hangs, seconds=0.05)]))
    assert (found.status, "no answer within 0.05 s" in found.told) == ("failed", True)


def test_a_policy_is_read_as_a_worker_reads_it(stack: Stack, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    assert status(stack, "policy") == "ok"
    policy.write_text('[[rules]]\nname = "all"\n')
    assert look(stack, "policy", policy=policy).told == "1 rule, all valid"
    policy.write_text('[[rules]]\nname = "all"\nmax_wait = "1h"\nquiet_hours = { from = "21:00", to = "09:00" }\n')
    assert status(stack, "policy", policy=policy) == "warning"
    policy.write_text('[[rules]]\nname = "all"\nfrom = "nobody"\n')
    found = look(stack, "policy", policy=policy)
    assert (found.status, "policy.toml:3" in found.told) == ("failed", True)


def test_a_development_key_is_told_of(stack: Stack, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert look(stack, "development", data=data).told == "no development key"
    assert status(stack, "public key", data=data, public_key=None) == "failed"
    make_key(stack.settings.model_copy(update={"data": data}))
    assert status(stack, "development", data=data) == "ok"
    assert status(stack, "development", data=data, host="0.0.0.0") == "warning"
    found = look(stack, "public key", data=data, public_key=None)
    assert (found.status, "TELNYX_PUBLIC_KEY" in found.told) == ("warning", True)
    assert status(stack, "public key", data=data) == "ok"


def test_a_dry_run_is_a_warning(stack: Stack) -> None:
    assert (status(stack, "dry run"), status(stack, "dry run", dry_run=True)) == ("ok", "warning")


def test_a_data_folder_in_a_container_must_be_a_mount(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, mark = tmp_path / "mountinfo", tmp_path / ".containerenv"
    monkeypatch.setattr(mounts, "_TABLE", table)
    monkeypatch.setattr(mounts, "_MARKS", (mark,))
    assert "REDIS_URL is set" in look(stack, "data folder").told
    table.write_text("22 1 0:21 / / rw - ext4 /dev/sda1 rw\n")
    assert status(stack, "data folder", redis_url=None, data=Path("/data")) == "ok"
    mark.touch()
    found = look(stack, "data folder", redis_url=None, data=Path("/data"))
    assert (found.status, "docker run -v" in found.told) == ("failed", True)
    table.write_text(table.read_text() + "23 22 8:1 /volumes/ringback-data/_data /data rw - ext4 /dev/sda1 rw\n")
    assert status(stack, "data folder", redis_url=None, data=Path("/data")) == "ok"
