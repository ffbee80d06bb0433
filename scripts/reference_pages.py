"""The pages of the documentation's site that come from the code: the commands, and the handler API."""

import inspect
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer.main

import service.events
import service.testing
from service import Context, Discard, Event, Retry, Router
from service.cli import app
from service.cli.commands import COMMANDS
from service.routing import Rcs

EVENTS = [
    each
    for name in service.events.__all__
    if inspect.isclass(each := getattr(service.events, name))
    and name.endswith(("Message", "Order", "Update", "Changed"))
]


def commands_page() -> str:
    """Return the page of all commands."""
    group: Any = typer.main.get_command(app)
    parts = ["# Commands", "Every command takes `-h`, and `ringback --install-completion` completes them."]
    for name in COMMANDS:
        for path, command in _leaves(group.commands[name], f"ringback {name}"):
            parts += _described(path, command)
    return "\n\n".join(parts) + "\n"


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None or getattr(command, "invoke_without_command", False):
        yield path, command
    for name, each in (inner or {}).items():
        yield from _leaves(each, f"{path} {name}")


def _described(path: str, command: Any) -> Iterator[str]:
    yield f"## {path}"
    arguments = " ".join(
        (each.metavar or each.name.upper()) for each in command.params if each.param_type_name == "argument"
    )
    yield _prose(command.help or "")
    yield f"```sh\n{_examples(command, f'{path} {arguments}'.strip())}\n```"
    hints = get_type_hints(inspect.unwrap(command.callback))
    options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    rows = [row for each in options if (row := _row(each, hints.get(each.name)))]
    if rows:
        yield "\n".join(["| option | |", "|---|---|", *rows])


def _examples(command: Any, usage: str) -> str:
    lines = [line.strip() for line in (command.epilog or "").splitlines()]
    shown = [line for line in lines if "ringback " in line]
    return "\n".join(shown or [usage])


def _row(option: Any, hint: object) -> str | None:
    if "--help" in option.opts:
        return None
    names = ", ".join(f"`{each}`" for each in (*option.opts, *option.secondary_opts))
    value = option.metavar or "|".join(_choices(hint))
    shown = f" `{value}`".replace("|", "\\|") if value and not option.is_flag else ""
    default = f" Default: `{option.default}`." if _shown_default(option) else ""
    return f"| {names}{shown} | {_prose(option.help or '')}{default} |"


def _choices(hint: object) -> list[str]:
    """Return the words that a Literal somewhere in an annotation allows."""
    if get_origin(hint) is Literal:
        return [str(each) for each in get_args(hint)]
    return [word for each in get_args(hint) for word in _choices(each)]


def _shown_default(option: Any) -> bool:
    return option.show_default is True and isinstance(option.default, str | int | float) and option.default is not False


def _prose(text: str) -> str:
    """Return help as Markdown: paragraphs stay, Click's marks go."""
    paragraphs = inspect.cleandoc(text.replace("\b", "")).split("\n\n")
    return "\n\n".join(re.sub(r"\s*\n\s*", " ", each).replace("|", "\\|") for each in paragraphs)


def api_page() -> str:
    """Return the page of what authors of handlers import."""
    parts = [
        "# Handler API",
        "[Handlers](handlers.md) explains these by examples.",
        "## service",
        *(part for each in (Router, Context, Rcs, Event, Retry, Discard) for part in _class(each)),
        "## service.testing",
        *(part for name in service.testing.__all__ for part in _public(getattr(service.testing, name))),
        "## service.events",
        "Every field may be absent, and is then None or empty. Fields that a model does not name are in `model_extra`.",
        *(part for each in EVENTS for part in _model(each)),
    ]
    return "\n\n".join(parts) + "\n"


def _public(found: Any) -> Iterator[str]:
    return _class(found) if inspect.isclass(found) else _function(found.__name__, found)


def _class(found: type) -> Iterator[str]:
    yield f"### {found.__name__}"
    yield _docstring(found)
    for name, member in vars(found).items():
        if name.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property)):
            continue
        yield from _function(f"{found.__name__}.{name}", member)


def _function(name: str, function: Any) -> Iterator[str]:
    yield f"#### {name}"
    if not isinstance(function, property):
        yield f"```python\n{_signature(name, function)}\n```"
    yield _docstring(function)


def _signature(name: str, function: Any) -> str:
    signature = str(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()")
    plain = re.sub(r"(?:collections\.abc|typing|datetime|service[.a-z_]*)\.(?=[A-Za-z])", "", signature)
    kind = "async " if inspect.iscoroutinefunction(function) else ""
    return f"{kind}{name.rsplit('.', maxsplit=1)[-1]}{plain}"


def _docstring(found: Any) -> str:
    text = inspect.getdoc(found) or ""
    head, _, raises = text.partition("\nRaises:\n")
    lines = re.findall(r"^    (\S.*?): (.*(?:\n {8}.*)*)", raises, re.MULTILINE)
    listed = "\n".join(f"- raises `{name}`: {' '.join(why.split())}" for name, why in lines)
    return "\n\n".join(filter(None, [re.sub(r"(?<!\n)\n(?!\n| )", " ", head).strip(), listed]))


def _model(found: Any) -> Iterator[str]:
    yield f"### {found.__name__}"
    yield _docstring(found)
    rows = [f"| `{name}` | `{_type(each.annotation)}` |" for name, each in found.model_fields.items()]
    yield "\n".join(["| field | type |", "|---|---|", *rows])


def _type(annotation: Any) -> str:
    shown = (
        annotation.__name__ if inspect.isclass(annotation) and not hasattr(annotation, "__args__") else str(annotation)
    )
    plain = re.sub(r"(?:typing|datetime|service\.events\.\w+)\.", "", shown)
    return re.sub(r"Annotated\[(\w+), .*?\)\]", r"\1", plain).replace("|", "\\|")
