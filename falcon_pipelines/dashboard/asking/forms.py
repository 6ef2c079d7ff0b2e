"""What a person typed into a form: its values, and what is wrong with each, in words that say what to do."""

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from falcon_pipelines.errors import InputError

KEY_PATTERN = r"^[A-Za-z0-9_-]{16,64}$"

Reader = Callable[[str], Any]
"""What a field's text means; raises ValueError with the sentence to show beside the field."""


@dataclass(frozen=True)
class Form:
    """A form as it is shown: what was typed, and what is wrong by field. `key` makes a double click one request."""

    values: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    key: str = field(default_factory=lambda: secrets.token_urlsafe(18))

    def value(self, name: str) -> str:
        """What was typed into a field."""
        return self.values.get(name, "")


class InvalidForm(InputError):
    """A form cannot be acted on; `form` is to be shown again."""

    def __init__(self, form: Form) -> None:
        self.form = form
        super().__init__("; ".join(form.problems.values()))


def read_form(sent: Mapping[str, str], readers: Mapping[str, Reader]) -> dict[str, Any]:
    """What every field of the form means. Raises InvalidForm with every problem at once."""
    found: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, reader in readers.items():
        written = sent.get(name, "")
        try:
            found[name] = reader(storable(written))
        except ValueError as error:
            problems[name] = str(error)
    if problems:
        raise refused(sent, problems)
    return found


def refused(sent: Mapping[str, str], problems: Mapping[str, str]) -> InvalidForm:
    """The form again as it was sent, with what is wrong."""
    kept = {
        name: value.replace("\0", "") for name, value in sent.items() if name not in ("csrf_token", "key")
    }
    return InvalidForm(Form(values=kept, problems=problems, key=form_key(sent)))


def form_key(sent: Mapping[str, str]) -> str:
    """The key that the form was shown with; a new one for a form that lost it."""
    key = sent.get("key", "")
    return key if re.fullmatch(KEY_PATTERN, key) else secrets.token_urlsafe(18)


def storable(written: str) -> str:
    """The text, if PostgreSQL can hold it; raises ValueError."""
    if "\0" in written or any("\ud800" <= character <= "\udfff" for character in written):
        raise ValueError("Remove the characters that are not text.")
    return written
