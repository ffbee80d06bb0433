"""No text of a stranger steers a terminal, whichever command shows it."""

import ast
import json
import re
import unicodedata
import uuid
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from typer.testing import CliRunner

import service.cli
from service.cli import app
from service.cli.command_group import CommandGroup
from service.cli.events.bulk import JobResult, report
from service.cli.events.follow import _in_words
from service.cli.output import confirm
from service.cli.rich_output import print_table
from service.dashboard.timeline import Line
from service.store.effects import ledger
from service.store.effects.ledger import Entry, StoredAnswer
from service.store.inbox.handler_records import HandlerRecord, RunRecord
from service.store.inbox.search import EventFilter
from service.store.operators.bulk_jobs import Job, JobRequest
from service.store.store import Store
from tests.cli.deployment import Deployment, run_process
from tests.terminal import on_terminal

CLI = Path(service.cli.__file__).parent
UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
FORGED = "forged: all is well"
STEERING = "\x1b[2J\x1b]0;gone\x07\x9b31m\x7f\r\u202e\u2066\u200b\u2028\u2029\U000e0041[bold]b[/bold][link=x]l[/link]"
HOSTILE = st.one_of(
    st.just(f"{STEERING}\n{FORGED}\n"),
    st.text(st.characters(categories=["Cc", "Cf", "Zl", "Zp", "Lu", "Po", "Ps"]), min_size=1, max_size=40),
)
READING = [
    ("events", "list"),
    ("events", "list", "--json"),
    ("dead", "list"),
    ("dead", "list", "--json"),
    *(
        (group, "show", "dead", *options)
        for group in ("events", "dead")
        for options in ((), ("--reveal",), ("--json",), ("--reveal", "--json"))
    ),
    ("events", "export"),
    ("events", "export", "--raw"),
    ("audit",),
    ("audit", "--json"),
    ("optouts", "list"),
    ("optouts", "list", "--reveal"),
    ("optouts", "list", "--json", "--reveal"),
    ("erase", "+13125550101", "--yes"),
]


def unsafe(text: str) -> set[str]:
    return {each for each in text if unicodedata.category(each) in UNSAFE} - {"\n"}


def check(shown: str) -> None:
    assert not unsafe(shown), shown
    assert FORGED not in [line.strip() for line in shown.splitlines()], shown


def fill(deployment: Deployment, text: str) -> None:
    """A dead event whose type, id, body, error, reason, remarks, effect and answer are all this text."""
    body = orjson.dumps({"data": {"payload": {"text": text, text: text, "from": {"phone_number": "+13125550101"}}}})
    deployment.accept("dead", text, event_type=text)
    record = deployment.keys.event("dead")
    deployment.redis.hset(record, mapping={"body": body, "arrived_by": text})
    lease = deployment.claim("dead", "greet")
    write_effect(deployment, lease, text)
    run = RunRecord(1, 2, "dead", reason=text, error=text, remarks=(text,))
    deployment.end(lease, greet=HandlerRecord("dead", 8, reason=text, error=text, runs=(run,)))
    note = {"at": 1, "what": "retried", "about": {text: text, "worker": text}}
    deployment.redis.hset(record, mapping={"notes": orjson.dumps(note) + b"\n"})
    deployment.redis.hset(
        deployment.keys.optouts, text, f"1 - {text.split(maxsplit=1)[0] if text.split() else 'x'} - - -"
    )


def write_effect(deployment: Deployment, lease: Any, text: str) -> None:
    words = ("effect-1", "dead", "greet", False, "POST", text, text, "target")
    entry = Entry(*words, content_type="application/json", digest="digest", state="started", body=text.encode())
    answer = StoredAnswer(400, "text/plain", text.encode())

    async def write(store: Store) -> None:
        assert await ledger.begin(store, lease, entry, "run", again=False, keep=60) == "begun"
        await ledger.end(store, entry.name, "refused", answer, sent_at=1, why=text, note="n")

    deployment.ask(write)


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HOSTILE)
def test_no_reading_command_lets_a_text_steer_the_terminal(redis_url: str, text: str) -> None:
    with Redis.from_url(redis_url) as redis:
        deployment = Deployment(redis_url, f"cli-{uuid.uuid4().hex}", redis)
        fill(deployment, text)
        for command in READING:
            result = CliRunner().invoke(app, command, env=deployment.environment, catch_exceptions=False)
            if "--reveal" not in command or "--json" in command:
                check(result.stdout + result.stderr)
            assert not unsafe(result.stdout + result.stderr), command
            if "--json" in command:
                json.loads(result.stdout)
        exported = deployment.run("events", "export", "--raw").stdout
        assert text in [json.loads(line)["id"] for line in exported.split("\n") if line]


@pytest.mark.slow
def test_a_terminal_itself_gets_nothing_raw(deployment: Deployment) -> None:
    fill(deployment, STEERING)
    for command in (("events", "list"), ("events", "show", "dead", "--reveal"), ("audit",)):
        shown = on_terminal("-m", "service.cli", *command, environment=deployment.environment)
        assert "[bold]b[/bold][link=x]l[/link]" in shown.replace("\n", "").replace(" ", "") or command == ("audit",)
        for raw in ("\x1b[2J", "\x1b]0", "\x9b", "\x07", "\u202e", "\u200b", "\u2028", "\U000e0041"):
            assert raw not in shown, command


def test_what_follow_prints_is_one_line(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    from service.cli.output import say
    from service.store.inbox.accept import find

    fill(deployment, f"{STEERING}\n{FORGED}")
    record = deployment.ask(lambda store: find(store, "dead"))
    assert record is not None
    say(_in_words(Line(1, "run", f"{STEERING}\n{FORGED}"), record))
    shown = capsys.readouterr().out
    check(shown)
    assert shown.count("\n") == 1


def test_an_explanation_shows_no_text_raw(tmp_path: Path) -> None:
    from tests.messages.policies import SMS_FROM
    from tests.telnyx_events import envelope, finalized_rcs

    event = tmp_path / "event.json"
    event.write_text(
        json.dumps(envelope("message.finalized", finalized_rcs("delivery_failed", "+13125550101", text=STEERING)))
    )
    for options in ((), ("--json",)):
        variables = {"RINGBACK_SMS_FROM": SMS_FROM}
        result = CliRunner().invoke(app, ("policy", "explain", str(event), "--reveal", *options), env=variables)
        assert result.exit_code == 0, result.output
        check(result.output)
        assert "\\u001b[2J" in result.output if options else "\\x1b[2J" in result.output


def result_for(event_id: str) -> JobResult:
    job = Job("j", JobRequest("retry", EventFilter()), "ann", "done", 1, 1, tally={"gone": 1})
    return JobResult(job, {event_id: "gone"})


@pytest.mark.parametrize(
    "shown", [lambda text: confirm(text, yes=False), lambda text: report(result_for(text), "retried", named=True)]
)
def test_questions_and_reports_show_no_text_raw(shown: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((typer.Abort, typer.Exit, EOFError, OSError)):
        shown(f"{STEERING}\n{FORGED}")
    captured = capsys.readouterr()
    check(captured.out + captured.err)
    assert "\\x1b" in captured.out + captured.err


def test_a_value_that_is_refused_is_not_quoted_raw() -> None:
    refusing = typer.Typer(cls=CommandGroup)

    @refusing.callback()
    def group() -> None: ...

    @refusing.command()
    def refuse() -> None:
        raise typer.BadParameter(STEERING)

    shown = CliRunner().invoke(refusing, ["refuse"]).output
    check(shown)
    assert "\\x1b[2J" in shown


def test_a_table_shows_brackets_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a", "b"), [("[bold]x[/bold]", ["[link=y]", ":smile:\x1b"])])
    assert capsys.readouterr().out.split() == ["a", "b", "[bold]x[/bold]", "[link=y]", ":smile:\\x1b"]


@pytest.mark.parametrize("path", sorted(CLI.glob("**/*.py")), ids=lambda path: path.name)
def test_a_command_prints_by_output_alone(path: Path) -> None:
    """Only `output.py` may write, and only `rich_output.py` may import Rich."""
    if path.name in ("output.py", "rich_output.py"):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.Call) or _called(node) not in FORBIDDEN, f"{path.name}:{node.lineno}"
        if isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            assert not any(name.split(".")[0] == "rich" for name in names), f"{path.name}:{node.lineno}"


FORBIDDEN = {
    "print",
    "input",
    "breakpoint",
    *(
        f"{module}.{name}"
        for module in ("typer", "click")
        for name in ("echo", "secho", "confirm", "prompt", "progressbar", "echo_via_pager")
    ),
    *(f"sys.{stream}.{name}" for stream in ("stdout", "stderr") for name in ("write", "writelines", "buffer.write")),
    *(f"sys.__{stream}__.write" for stream in ("stdout", "stderr")),
    "os.write",
    "traceback.print_exc",
    "traceback.print_exception",
    "pprint.pprint",
}


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_that_lacks_a_character_gets_another_and_json_stays_whole(
    deployment: Deployment, encoding: str
) -> None:
    def run(*arguments: str) -> str:
        ran = run_process(*arguments, **deployment.environment, PYTHONIOENCODING=encoding)
        assert (ran.code, ran.stderr) == (0, "")
        return ran.stdout

    added = run("optouts", "add", "+13125550101")
    assert added in ("+1312???0101 is opted out.\n", "+1312•••0101 is opted out.\n")
    assert "+1312???0101" in run("optouts", "list")
    listed = run("optouts", "list", "--json")
    assert listed.isascii()
    assert json.loads(listed)[0]["number"] == "+1312•••0101"


BLOCK = ["host:12345", "  state: working", "  load: 0 of 100", "  version: 0.1.0", "  last sign: 5 s ago", "  late"]
TABLE = [
    "worker      state    load      version  last sign",
    "host:12345  working  0 of 100  0.1.0    5 s ago",
    f"{'':40}late",
]


@pytest.mark.parametrize(("width", "expected"), [(40, BLOCK), (80, TABLE)])
def test_a_table_becomes_blocks_on_a_terminal_that_is_too_narrow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, expected: list[str]
) -> None:
    for name, value in {"TTY_COMPATIBLE": "1", "COLUMNS": str(width), "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    columns = ("worker", "state", "load", "version", "last sign")
    print_table(columns, [("host:12345", "working", "0 of 100", "0.1.0", ["5 s ago", "late"])])
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert [line.rstrip() for line in shown.splitlines()] == expected
