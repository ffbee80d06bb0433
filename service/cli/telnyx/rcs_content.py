"""The content of an RCS message of the command line: a text, a file at a URL, or a content message from a JSON file."""

import json
from pathlib import Path
from typing import Any

import typer
from telnyx.types.rcs_agent_message_param import ContentMessage

CONTENTS = ("text", "rich_card", "content_info")
"""The kinds of a content message. Source: OpenAPI `RCSContentMessage`."""
LONGEST_TEXT = 3072
"""Characters. Source: OpenAPI `RCSContentMessage`."""


def read_content(text: str | None, file: str | None) -> ContentMessage:
    """Return the content message that `--text` or `--file` give.

    Raises:
        typer.BadParameter: neither or both are given, or the content cannot be sent.
    """
    if (text is None) == (file is None):
        raise typer.BadParameter("give either --text or --file")
    if file is None:
        return _checked({"text": text}, "--text")
    if file.startswith(("https://", "http://")):
        return {"content_info": {"file_url": file}}
    return _checked(_from_json(Path(file)), f"--file: {file}")


def _from_json(path: Path) -> Any:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise typer.BadParameter(
            f"--file: {path} cannot be read ({type(error).__name__}); a URL begins https://"
        ) from None
    except ValueError:
        raise typer.BadParameter(f"--file: {path} is no JSON; a file to send must stand at an https URL") from None
    return content.get("content_message", content) if isinstance(content, dict) else content


def _checked(content: Any, where: str) -> ContentMessage:
    named = [each for each in CONTENTS if isinstance(content, dict) and each in content]
    if len(named) != 1:
        raise typer.BadParameter(f"{where}: a content message has one of {', '.join(CONTENTS)}")
    text = content.get("text", "x")
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST_TEXT:
        raise typer.BadParameter(f"{where}: a text has 1 to {LONGEST_TEXT} characters")
    checked: ContentMessage = content
    return checked
