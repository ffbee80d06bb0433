"""Templates of texts, in Jinja2: sandboxed, and strict, so that a misspelt name is found when the policy is read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import jinja2
from jinja2 import StrictUndefined, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

# It makes texts for phones, not pages: an escaped `&` would be read as `&amp;`.
_ENVIRONMENT = ImmutableSandboxedEnvironment(autoescape=False, undefined=StrictUndefined)
_ENVIRONMENT.globals.clear()
_UNWRITABLE = (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError)


class BadTemplate(ValueError):
    """The text says what is wrong with a template, and quotes nothing that it was filled with."""


@dataclass(frozen=True, slots=True)
class TemplateVariables:
    """The variables of a template: the readable text of the RCS message, and its sender."""

    text: str
    agent_name: str
    agent_id: str
    tags: tuple[str, ...]
    country: str


EXAMPLE = TemplateVariables("Your table is ready.", "Diner", "agent-1", ("table",), "US")
_NAMES = frozenset(asdict(EXAMPLE))


@dataclass(frozen=True, slots=True)
class Template:
    """A template that is fit to use, and the names in it."""

    compiled: jinja2.Template
    names: frozenset[str]

    @classmethod
    def parse(cls, source: object) -> "Template":
        """Compile a template, and try it.

        Raises:
            BadTemplate: it is no template, names what there is not, or makes no text of an example.
        """
        if not isinstance(source, str) or not source.strip():
            raise BadTemplate('a template is a text, such as "{{ text }}"')
        try:
            names = frozenset(meta.find_undeclared_variables(_ENVIRONMENT.parse(source)))
            template = cls(_ENVIRONMENT.from_string(source), names)
        except jinja2.TemplateSyntaxError as error:
            raise BadTemplate(f"{error.message}, in line {error.lineno} of the template") from None
        if unknown := sorted(names - _NAMES):
            raise BadTemplate(f"there is no {unknown[0]!r}: a template may name {', '.join(sorted(_NAMES))}")
        template.render(EXAMPLE)
        return template

    def render(self, variables: TemplateVariables) -> str:
        """Return the text, without blanks around it.

        Raises:
            BadTemplate: these variables cannot be filled in.
        """
        given: Mapping[str, Any] = MappingProxyType(asdict(variables))
        try:
            return self.compiled.render(given).strip()
        except _UNWRITABLE as error:
            raise BadTemplate(f"it cannot be filled in ({type(error).__name__})") from None
