"""What can go wrong while trading on paper, as one-line errors."""

from falcon_pipelines.errors import FalconError, InputError


class InvalidScript(InputError):
    """An order script cannot be read or says something that makes no sense."""


class CannotTrade(InputError):
    """The bars or the spec cannot be paper-traded as asked."""


class BooksDoNotBalance(FalconError):
    """The postings contradict each other or the fills; trading on would hide the mistake."""
