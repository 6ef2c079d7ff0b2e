"""Profiles typed by a person: read here as the compute node will read them, so that a mistake is named at once."""

from falcon_pipelines.dashboard.asking.fields import LONGEST_DOCUMENT
from falcon_pipelines.profiles.documents import InvalidProfile, parse_profile

_WHERE = "profile"


def profile_document(written: str) -> str:
    """A profile as YAML. Raises ValueError that names the line, the field and what is allowed."""
    text = written.replace("\r\n", "\n")
    if not text.strip():
        raise ValueError("Enter a profile as YAML, or start from one that is there")
    if len(text) > LONGEST_DOCUMENT:
        raise ValueError(f"The profile is too long; the longest is {LONGEST_DOCUMENT:,} characters")
    name_of(text)
    return text


def name_of(document: str) -> str:
    """The name that a profile gives itself. Raises ValueError like `profile_document`."""
    try:
        return parse_profile(document, _WHERE).name
    except InvalidProfile as error:
        message = str(error).removeprefix(f"{_WHERE}: ")
        raise ValueError(message[:1].upper() + message[1:]) from None
