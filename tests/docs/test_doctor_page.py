"""docs/monitor.md lists the doctor's checks, all of them, in their order."""

import re

from service.doctor.checks import CHECKS
from tests.documented import DOCS


def test_the_page_has_every_check_in_its_order() -> None:
    section = (DOCS / "monitor.md").read_text().split("\n## Doctor\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([a-z ]+)` \|", section, re.MULTILINE) == [each.name for each in CHECKS]
