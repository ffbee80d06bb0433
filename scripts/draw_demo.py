"""Draw the terminal of `ringback demo` as docs/pictures/demo.svg."""

import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "pictures" / "demo.svg"
COLUMNS = 118


def main() -> int:
    """Run the demo, draw what it printed, and return its exit code."""
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    ran = subprocess.run(
        [Path(sys.executable).with_name("ringback"), "demo"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"), force_terminal=True)  # noqa: PTH123, SIM115
    # A spinner draws its line again and again.
    lines = [line for line in ran.stdout.splitlines() if "Starting" not in line]
    console.print(Text.from_ansi("\n".join(["$ ringback demo", *lines])))
    # Rich's style sheet names fonts of another host. A picture must ask none.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="ringback demo"), flags=re.DOTALL)
    PICTURE.write_text(svg)
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main())
