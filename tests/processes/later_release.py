"""A later release: a copy of the present source with small changes, to run beside it."""

import shutil
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERSION = "0.2.0"
EDITS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))["edit"]
METADATA = f"Metadata-Version: 2.4\nName: ringback\nVersion: {VERSION}\n"
LATER_NEWS = '''"""Handlers that the release before does not have."""

from pathlib import Path

from service import Context, Event, Router

router = Router()


@router.on("test.note", "message.finalized")
async def later_news(event: Event, ctx: Context) -> None:
    """Note the event."""
    with Path("later_news").open("a") as file:
        print(event.id, file=file)


@router.on("test.only_later")
async def later_only(event: Event, ctx: Context) -> None:
    """Do nothing."""
'''


def build(folder: Path) -> Path:
    """Write the later release into a folder, and return what goes on the import path.

    An edit that finds its place no longer fails: the table has to follow the source.
    """
    for package in ("service", "handlers"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for edit in EDITS:
        file = folder / edit["file"]
        text = file.read_text("utf-8")
        assert text.count(edit["old"]) == edit.get("times", 1), edit
        file.write_text(text.replace(edit["old"], edit["new"]), "utf-8")
    (folder / "handlers" / "later_news.py").write_text(LATER_NEWS)
    (folder / f"ringback-{VERSION}.dist-info").mkdir()
    (folder / f"ringback-{VERSION}.dist-info" / "METADATA").write_text(METADATA)
    return folder
