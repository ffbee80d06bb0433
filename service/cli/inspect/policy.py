"""`ringback policy`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from service import clock
from service.cli.events.trigger_options import complete_samples
from service.cli.inspect.config import duration
from service.cli.options import JsonOption, RevealOption
from service.cli.output import say, say_json
from service.events import Event, InvalidBody, Message, read_envelope, read_event
from service.messages.explanation import Explanation
from service.messages.explanation import explain as explained
from service.messages.policy import Rule
from service.messages.policy_file import policy_of, read_policy
from service.outbound.phone_numbers import time_zones_of
from service.security.masked_urls import MASK
from service.security.masking import mask_number
from service.settings import load
from service.testing.samples import cases, sample
from service.testing.samples.cases import names_like

DURATIONS = frozenset({"undelivered_after", "max_age", "max_wait"})
TIMES = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M"]
TYPES = ("message.sent", "message.finalized", "message.read", "sms_fallback.due")

PolicyFile = Annotated[Path, typer.Argument(metavar="FILE", help="A policy in TOML.")]

policy = typer.Typer(help="Look at the policy of the SMS fallback before it is in force.", no_args_is_help=True)


@policy.command()
def check(file: PolicyFile, *, as_json: JsonOption = False) -> None:
    """Read a policy as a worker does at its start, and show its rules. RINGBACK_SMS_FROM is the default sender.

    Exit codes: 0 valid, 2 invalid (file, line and field are named).
    """
    found = read_policy(file, sms_from=load().sms_from)
    shown = [_shown_rule(rule) for rule in found.rules]
    for rule in found.rules:
        for warning in rule.warnings:
            say(f"warning: rule {rule.name!r}: {warning}", err=True)
    if as_json:
        say_json({"file": str(file), "rules": shown, "opt_out_words": found.opt_out_words})
    else:
        say(f"{file} is valid. The first rule that matches a message decides:", "")
        for each in shown:
            _print_fields({name: value for name, value in each.items() if name != "warnings"}, width=18)
        if found.opt_out_words:
            say(f"Opt-out words that it adds: {', '.join(found.opt_out_words)}")


@policy.command()
def explain(
    event: Annotated[
        str,
        typer.Argument(
            help="A sample (`ringback trigger --list`), or a file with a body as Telnyx delivers it.",
            metavar="SAMPLE|EVENT.json",
            autocompletion=complete_samples,
        ),
    ],
    *,
    file: Annotated[Path | None, typer.Option("--policy", metavar="FILE", help="Instead of RINGBACK_POLICY.")] = None,
    at: Annotated[
        datetime | None, typer.Option(formats=TIMES, help="See it at this time (UTC), not at its own.")
    ] = None,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """Show the policy's decision on an event: the rule, and the SMS with its time, or why none is sent.

    Nothing is sent. Neither Redis nor Telnyx is asked: an opt-out or a delivery known there may still forbid it.

    Exit codes: 0 explained, 2 the event or the policy is invalid.
    """
    settings = load()
    found = _event(event)
    policy = policy_of(file or settings.policy, settings.sms_from)
    shown = [_shown(each, reveal=reveal) for each in explained(policy, found, _moment(found, at))]
    if as_json:
        say_json(shown)
    else:
        for each in shown:
            _print_fields({name: value for name, value in each.items() if value not in (None, [], {})}, width=10)


def _event(path: str) -> Event[Message]:
    try:
        body = json.dumps(sample(path)).encode() if path in cases() else Path(path).read_bytes()
        envelope = read_envelope(body)
        plain = read_event(envelope.identity, envelope.type, body, "webhook")
        payload = Message.model_validate(plain.payload)
    except OSError as error:
        why = f"{path} is no sample, and cannot be read ({error.strerror}){names_like(path)}"
        raise typer.BadParameter(why) from None
    except InvalidBody as error:
        raise typer.BadParameter(f"{path}: {error.reason}") from None
    except ValidationError as error:
        field = ".".join(map(str, error.errors(include_input=False)[0]["loc"])) or "payload"
        raise typer.BadParameter(f"{path}: data.payload.{field} is not that of a message") from None
    if plain.type not in TYPES:
        raise typer.BadParameter(f"{path}: data.event_type is none of {', '.join(TYPES)}")
    return Event(plain.id, plain.type, plain.occurred_at, payload, plain.arrived_by)


def _moment(event: Event[Message], at: datetime | None) -> float:
    if at is not None:
        return at.replace(tzinfo=UTC).timestamp()
    return event.occurred_at.timestamp() if event.occurred_at is not None else clock.now()


def _shown_rule(rule: Rule) -> dict[str, Any]:
    conditions = ("agents", "messaging_profiles", "tags", "countries")
    quiet = rule.quiet_hours
    return {
        "rule": rule.name,
        "class": rule.kind,
        "channel": rule.channel,
        "for": {name: wanted for name in conditions if (wanted := getattr(rule, name))},
        "triggers": list(rule.triggers),
        "undelivered_after": rule.undelivered_after,
        "from": _number(rule.sender),
        "as": rule.sent_as,
        "max_age": rule.max_age,
        "quiet_hours": f"{quiet.begin:%H:%M}-{quiet.end:%H:%M}" if quiet is not None else None,
        "max_wait": rule.max_wait,
        "max_segments": rule.max_segments,
        "template": rule.template is not None,
        "warnings": rule.warnings,
    }


def _shown(found: Explanation, *, reveal: bool) -> dict[str, Any]:
    draft = found.draft
    when = datetime.fromtimestamp(found.when, UTC).isoformat(timespec="seconds") if found.when is not None else None
    told = {"rule": found.rule, "verdict": found.verdict, "reason": found.reason, "why": found.why}
    decision = {"to": _number(found.number, reveal=reveal), **told, "when": when, "local": _local_times(found)}
    if draft is None:
        return decision | dict.fromkeys(("as", "from", "segments", "text")) | {"media_urls": []}
    return decision | {
        "as": draft.type.lower(),
        "from": _number(draft.sender, reveal=reveal),
        "segments": draft.segments,
        "text": draft.text if reveal else MASK,
        "media_urls": [url if reveal else MASK for url in draft.media_urls],
    }


def _local_times(found: Explanation) -> dict[str, str]:
    """Return the time in each zone where the number may lie. Zones with the same time count once."""
    if found.when is None or found.number is None:
        return {}
    times = {zone.key: datetime.fromtimestamp(found.when, zone) for zone in time_zones_of(found.number)}
    named = {moment.isoformat(timespec="seconds"): zone for zone, moment in reversed(times.items())}
    return {zone: moment for moment, zone in reversed(named.items())}


def _number(number: str | None, *, reveal: bool = False) -> str | None:
    return number if reveal or number is None or number == "profile" else mask_number(number)


def _print_fields(fields: dict[str, Any], *, width: int) -> None:
    for name, value in fields.items():
        is_duration = name in DURATIONS and value is not None
        say(f"{name + ':':{width}} {duration(value) if is_duration else _word(value)}")
    say("")


def _word(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_word(each)}" for name, each in value.items()) or "every message"
    if isinstance(value, bool):
        return "yes" if value else "-"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None else str(value)
