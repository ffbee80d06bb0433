"""scripts/structure.py finds what is too long, stands twice, or is used nowhere. `scripts/check` runs it."""

import pytest

from scripts.structure import MAX_FILE, MAX_FUNCTION, findings

USED = {"tests/test_it.py": "from service.a import function, Name"}


def found(**modules: str) -> list[str]:
    return list(findings({**USED, **{f"service/{name}.py": text for name, text in modules.items()}}))


def test_what_keeps_the_rules_is_no_finding() -> None:
    body = "\n    pass" * (MAX_FUNCTION - 1)
    assert (
        found(a=f"def function():{body}\n\n\nclass Name: ...\n", b="class Message: ...", c="class Message: ...") == []
    )


@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_a_long_function_is_found_wherever_it_stands(keyword: str) -> None:
    body = "\n        pass" * MAX_FUNCTION
    [finding] = found(a=f"class Name:\n    {keyword} function(self):{body}\n")
    assert "long function: function has 41 lines" in finding


def test_a_long_file_is_found() -> None:
    [finding] = found(a="# a line\n" * (MAX_FILE + 1))
    assert "long file: 301 lines" in finding


def test_a_class_that_two_modules_name_is_found_once() -> None:
    [finding] = found(a="class Name: ...", b="class Name: ...")
    assert finding == "service/a.py: two classes: Name, also in service/b.py"


@pytest.mark.parametrize("definition", ["def lonely(): ...", "class lonely: ...", "lonely = 1", "lonely: int = 1"])
def test_a_name_that_nothing_uses_is_found(definition: str) -> None:
    assert found(a=definition) == ["service/a.py: unused: lonely"]


def test_a_name_that_a_decorator_uses_is_no_finding() -> None:
    assert found(a="@router.on('message.sent')\nasync def lonely(): ...") == []
