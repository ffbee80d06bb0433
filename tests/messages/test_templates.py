"""Templates of texts: strict, sandboxed, and nothing escaped."""

import pytest

from service.messages.templates import EXAMPLE, BadTemplate, Template, TemplateVariables


def test_a_template_names_what_the_message_said_and_whose_it_was() -> None:
    source = "{{ agent_name }} ({{ agent_id }}, {{ country }}): {{ text|upper }} {{ tags|join('+') }}\n"
    template = Template.parse(source)
    words = TemplateVariables("Tom & Jerry", "Diner", "a-1", ("x", "y"), "US")
    assert template.render(words) == "Diner (a-1, US): TOM & JERRY x+y"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{{ number }}", "there is no 'number'"),
        ("{{ range(3) }}", "there is no 'range'"),
        ("{{ text", "line 1"),
        ("\n{% if text %}", "line 2"),
        ("{{ text|shout }}", "No filter named 'shout'"),
        ("{{ text.__class__.__mro__ }}", "SecurityError"),
        ("{{ tags.append('x') }}", "UndefinedError"),
        ("{{ 1 // 0 }}", "ZeroDivisionError"),
        ("  ", "a template is a text"),
        (7, "a template is a text"),
    ],
)
def test_what_is_no_template_is_refused_before_it_is_needed(source: object, told: str) -> None:
    with pytest.raises(BadTemplate) as raised:
        Template.parse(source)
    assert told in str(raised.value)


def test_words_that_do_not_fit_are_not_quoted() -> None:
    template = Template.parse("{{ tags[0] }}")
    with pytest.raises(BadTemplate) as raised:
        template.render(TemplateVariables("secret", "", "", (), ""))
    assert str(raised.value) == "it cannot be filled in (UndefinedError)"
    assert template.render(EXAMPLE) == "table"
