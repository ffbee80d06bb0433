"""`ringback whatsapp`."""

import difflib
from datetime import UTC
from typing import Annotated, Any, Literal, get_type_hints

import typer
from telnyx import AsyncTelnyx
from telnyx.types.whatsapp.phone_numbers import ProfileUpdateParams

from service.cli.connections import load_for_change
from service.cli.masked_output import print_json, say_fields, show_list, shown, shown_within
from service.cli.on_record import put_on_record
from service.cli.options import E164Argument, JsonOption, RevealOption, YesOption, e164
from service.cli.output import confirm, say
from service.cli.rich_output import Cell
from service.cli.telnyx.session import with_telnyx
from service.outbound.list_pages import rows_of

HELP = "WhatsApp numbers: their state, profile and 24-hour windows."
whatsapp = typer.Typer(help=HELP, no_args_is_help=True)

FIELDS = tuple(sorted(get_type_hints(ProfileUpdateParams)))
"""The fields of a profile that may be changed. Source: SDK 4.189, `ProfileUpdateParams`."""

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="A WhatsApp number of yours.", parser=e164)]
OneNumber = Annotated[
    str | None, typer.Argument(metavar="[NUMBER]", help="A WhatsApp number of yours, to see it whole.", parser=e164)
]


@whatsapp.command("numbers")
def numbers(number: OneNumber = None, *, as_json: JsonOption = False, reveal: RevealOption = False) -> None:
    """List the account's WhatsApp numbers, or show one.

    Exit codes: 0 shown, 1 there is no such number, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    if number is not None:
        one = with_telnyx(lambda telnyx: telnyx.whatsapp.phone_numbers.retrieve_phone_number(number)).data
        print_json(one, reveal=reveal) if as_json else say_fields(one, reveal=reveal)
        return

    async def listed(telnyx: AsyncTelnyx) -> list[Any]:
        return [each async for each in rows_of(telnyx.whatsapp.phone_numbers.list(page_size=100), "WhatsApp numbers")]

    def row(each: Any) -> tuple[Cell, ...]:
        calls = "on" if each.calling_enabled else "off"
        told = (each.display_name, each.status, each.quality_rating)
        return shown(each.phone_number, reveal=reveal), *(value or "-" for value in told), calls

    columns, none = "number, name, status, quality, calls", "The account has no WhatsApp numbers."
    show_list(with_telnyx(listed), columns, row, none, as_json=as_json, reveal=reveal)


@whatsapp.command("window")
def window(
    number: Number, recipient: E164Argument, *, as_json: JsonOption = False, reveal: RevealOption = False
) -> None:
    """Tell whether a text may go to a recipient now. Outside the window only a template may.

    Exit codes: 0 open, 1 closed, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    found = with_telnyx(
        lambda telnyx: telnyx.whatsapp.phone_numbers.retrieve_conversation_window(number, destination_number=recipient)
    ).data
    is_open = bool(found and found.window_active)
    if as_json:
        print_json(found, reveal=reveal)
    else:
        ends = found.window_expires_at if found and is_open else None
        until = f" until {ends.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if ends else ""
        say(f"{shown(recipient, reveal=reveal)}: {'open' if is_open else 'closed, only a template may go'}{until}")
    if not is_open:
        raise typer.Exit(1)


@whatsapp.command("profile")
def profile(
    number: Number,
    *,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A new value. May be repeated.")
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """Show the profile of a number as people see it, or change fields of it.

    Exit codes: 0 shown or changed, 1 not confirmed, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    given = dict(map(_pair, changes or ()))
    found = with_telnyx(lambda telnyx: telnyx.whatsapp.phone_numbers.profile.retrieve(number)).data
    before = found.to_dict(mode="json") if found else {}
    wanted: dict[str, Any] = {name: value for name, value in given.items() if before.get(name) != value}
    if not wanted:
        print_json(before, reveal=reveal) if as_json else say_fields(before, reveal=reveal)
        return
    load_for_change()
    for name, value in shown_within(wanted, reveal=reveal).items():
        was = shown_within(before.get(name), reveal=reveal)
        say(f"- {name}: {'unset' if was is None else was}", f"+ {name}: {value}", err=as_json)
    confirm(f"Change the profile of {shown(number, reveal=reveal)}?", yes=yes)
    after = with_telnyx(lambda telnyx: telnyx.whatsapp.phone_numbers.profile.update(number, **wanted)).data
    print_json(after, reveal=reveal) if as_json else say("changed")


@whatsapp.command("calls")
def calls(
    number: Number,
    *,
    action: Annotated[Literal["on", "off"] | None, typer.Option("--turn", help="Let people call the number.")] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """Tell whether people can call a number by WhatsApp, or change that.

    Exit codes: 0 shown or changed, 1 not confirmed, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    if action is None:
        found = with_telnyx(lambda telnyx: telnyx.whatsapp.phone_numbers.calling_settings.retrieve(number)).data
    else:
        load_for_change()
        confirm(f"Turn calls to {shown(number, reveal=reveal)} {action}?", yes=yes)
        found = with_telnyx(
            lambda telnyx: telnyx.whatsapp.phone_numbers.calling_settings.update(number, enabled=action == "on")
        ).data
    state = "on" if found and found.enabled else "off"
    print_json(found, reveal=reveal) if as_json else say(f"{shown(number, reveal=reveal)}: calls are {state}")


@whatsapp.command("codes")
def codes(
    number: Number,
    *,
    method: Annotated[Literal["sms", "call"], typer.Option(help="How the code reaches the number.")] = "sms",
    yes: YesOption = False,
    reveal: RevealOption = False,
) -> None:
    """Have Meta send or speak a code to a number, which proves whose it is.

    Exit codes: 0 on its way, 1 not confirmed, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    load_for_change()
    how = "A call tells the code to" if method == "call" else "An SMS brings the code to"
    confirm(f"{how} {shown(number, reveal=reveal)}. Go on?", yes=yes)
    by: Literal["sms", "voice"] = "voice" if method == "call" else "sms"
    with_telnyx(lambda telnyx: telnyx.whatsapp.phone_numbers.resend_verification(number, verification_method=by))
    say("on its way", "→ ringback whatsapp validate NUMBER CODE")


@whatsapp.command("validate")
def validate(
    number: Number,
    code: Annotated[str, typer.Argument(help="The code that the number was sent.")],
    *,
    reveal: RevealOption = False,
) -> None:
    """Give back the code that a number was sent.

    Exit codes: 0 it is right, 1 it is wrong, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    load_for_change()
    put_on_record(codes=1)
    with_telnyx(lambda telnyx: telnyx.whatsapp.phone_numbers.verify(number, code=code))
    say(f"{shown(number, reveal=reveal)}: verified")


@whatsapp.command("delete")
def delete(number: Number, *, yes: YesOption = False, reveal: RevealOption = False) -> None:
    """Take a number out of WhatsApp. It can then neither send nor receive there.

    Exit codes: 0 deleted, 1 there is none, not confirmed, or Telnyx refuses, 2 bad usage.
    """
    load_for_change()
    found = with_telnyx(lambda telnyx: telnyx.whatsapp.phone_numbers.retrieve_phone_number(number)).data
    name = shown(number, reveal=reveal)
    confirm(f"Take {name} ({found.display_name or '-'}, {found.status or '-'}) out of WhatsApp?", yes=yes)
    with_telnyx(lambda telnyx: telnyx.whatsapp.phone_numbers.delete(number))
    say(f"{name}: deleted")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or name not in FIELDS:
        near = difflib.get_close_matches(name, FIELDS, n=1)
        raise typer.BadParameter(f"--set {name}: " + (f"did you mean {near[0]}?" if near else f"give {_all()}"))
    return name, value


def _all() -> str:
    return f"FIELD=VALUE, with one of {', '.join(FIELDS)}"
