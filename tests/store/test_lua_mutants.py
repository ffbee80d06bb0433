"""The tests of the message state and of the intent notice when a line of their scripts is wrong."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LUA = Path("service/store/lua")
TESTS = (
    "tests/store/test_message_states.py",
    "tests/store/test_sms_budget.py",
    "tests/store/test_intent_conditions.py",
    "tests/store/test_held_blocks.py",
    "tests/store/test_delivery_failures.py",
)
MUTANTS = [
    ("lib/message_state.lua", "delivered = 8, read = 9 }", "delivered = 1, read = 9 }"),
    ("lib/message_state.lua", ">= STATUS_RANK.delivered end", "> STATUS_RANK.delivered end"),
    ("lib/message_state.lua", "return mine > other or", "return mine < other or"),
    ("lib/message_state.lua", "(mine == other and status > known)", "mine == other"),
    ("lib/message_state.lua", "return theirs < mine and theirs or mine", "return theirs"),
    ("lib/message_state.lua", "table.sort(all)", ""),
    ("lib/message_state.lua", "if tonumber(message.fields.of or 0) < #said.to then", "if true then"),
    ("lib/message_state.lua", "merge_field(message, 'excluded_events', form, event)", ""),
    ("lib/message_state.lua", "if next(message.fields) then redis.call('PEXPIRE', message.key, keep) end", ""),
    ("lib/message_state.lua", "<= 1 and others == 0", "<= 1"),
    ("lib/message_state.lua", "<= 1 and others == 0", "<= 2 and others == 0"),
    ("lib/message_state.lua", "state.unreadable = true", ""),
    ("lib/message_state.lua", "if state.right and state.right ~= by then", "if state.right then"),
    ("lib/message_state.lua", "return begun and 'already_sent' or 'right_held'", "return 'already_sent'"),
    ("lib/message_state.lua", "if is_delivered(state.status) then return 'already_delivered' end", ""),
    ("lib/message_state.lua", "and tonumber(unconfirmed or 0) > 0)", ")"),
    ("accept.lua", "if message then follow_message(record_message(message, id), message.id) end", ""),
    ("import.lua", "if more.message then record_message(more.message, id) end", ""),
    ("message.lua", "and not fields['held:' .. forms[1]]", ""),
    ("message.lua", "and not fields['double_delivery:' .. form]", ""),
    ("effect_begin.lua", "if why then return why end", ""),
    ("effect_begin.lua", "if opted_out(forms, since) then return { 'opted_out' } end", ""),
    ("effect_begin.lua", "if reason ~= '' then return", "if false then return"),
    ("effect_begin.lua", "set_field(stored, 'right:' .. wanted.recipients[1][1], id)", ""),
    ("effect_begin.lua", "if not wanted.only_asks then", "if true then"),
    ("effect_begin.lua", "reserve_budget(name, message.segments, sum, message.window)", ""),
    ("effect_begin.lua", "{ 'encryption_key_missing', unpack(missing) }", "nil"),
    ("effect_end.lua", "release_budget(ARGV[1])", ""),
    ("delivery_failure.lua", "redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)", ""),
    ("delivery_failure.lua", "redis.call('PEXPIRE', key, window)", ""),
    ("delivery_failure.lua", "redis.call('ZREMRANGEBYRANK', key, 0, -most - 1)", ""),
    ("delivery_failure.lua", "'NX', now", "now"),
    ("lib/budget.lua", "+ segments <= limit", "<= limit"),
    (
        "report.lua",
        "signal.outcome == 'lifts' and not held then\n      redis",
        "signal.outcome == 'lifts' then\n      redis",
    ),
    ("blocks_hold.lua", "'held', '1')", "'held', '0')"),
    ("blocks_lift.lua", "redis.call('DEL', ns", "redis.call('EXISTS', ns"),
    ("lib/budget.lua", "'sum', sum + segments, effect", "'sum', segments, effect"),
]
HEALING_TESTS = ("tests/healing/test_missed_deliveries.py", "tests/cli/test_message_status.py")
HEALING_MUTANTS = [
    ("heal.lua", "if first_arrival(id) then return { 'known', id } end", ""),
    ("heal.lua", "if is_dropped(event, id) then return { 'dropped', id } end", ""),
    ("heal.lua", "if more.first_at < floor then return { 'forgotten', id } end", ""),
    ("heal.lua", "if not act then return { 'healed', id } end", ""),
    ("heal.lua", "if is_near(tonumber(moment), event.more) then return true end", "return true"),
    ("heal.lua", "if more.words then record_changes(more.words, now) end", ""),
    ("heal.lua", "return string.format('%s.%.0f', event.identity, event.more.first_at)", "return event.identity"),
    ("dead_drop.lua", "remember_drop(id)", ""),
    ("expire.lua", "note_forgotten(now - retention)", ""),
    ("message_status.lua", "source = event and status .. ' - ' .. event or ''", ""),
    ("lib/message_state.lua", "if my_status == their_status then return theirs < mine and theirs or mine end", ""),
]
SMOKE = MUTANTS[:1]


def survives(folder: Path, file: str, before: str, after: str, tests: tuple[str, ...] = TESTS) -> bool:
    """Whether the tests pass on a copy in which a script's text is replaced wherever it stands."""
    copy = folder / "copy"
    for part in ("service", "handlers", "tests", "docs", "pyproject.toml"):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, copy / part, dirs_exist_ok=True)
        else:
            copy.mkdir(exist_ok=True)
            shutil.copy(source, copy / part)
    script = copy / LUA / file
    text = script.read_text()
    pattern = re.compile(r"\s+".join(map(re.escape, before.split())))
    assert pattern.search(text), f"{file} does not hold: {before}"
    script.write_text(pattern.sub(lambda _: after, text))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    environment.pop("PYTEST_ADDOPTS", None)
    ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode in (0, 1), ran.stdout[-2000:] + ran.stderr[-2000:]
    return ran.returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_unchanged_scripts_pass_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    file, before, after = SMOKE[0]
    assert survives(tmp_path / "unchanged", file, before, before)
    assert not survives(tmp_path / "changed", file, before, after)


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("file", "before", "after"), MUTANTS)
def test_a_wrong_line_is_noticed(tmp_path: Path, file: str, before: str, after: str) -> None:
    assert not survives(tmp_path, file, before, after)


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("file", "before", "after"), HEALING_MUTANTS)
def test_a_wrong_line_of_healing_is_noticed(tmp_path: Path, file: str, before: str, after: str) -> None:
    assert not survives(tmp_path, file, before, after, HEALING_TESTS)
