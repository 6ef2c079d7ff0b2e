"""Why a flat file is refused as a whole: one type for each reason, with the evidence a person needs.

A reason is the name of the check that fails. Single bad rows are quarantined instead: see `validation`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from falcon_pipelines.errors import InputError

EVIDENCE_ROWS = 20


class BadFlatFile(InputError):
    """A flat file that cannot be used at all; its subtypes say why.

    `count` rows of the file offend, `value` was measured where `threshold` is the most allowed, and `evidence`
    shows the first 20 offending rows. `quarantine_file` holds all `lines` of the file that can be read.
    """

    check: ClassVar[str] = ""
    rule: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        count: int = 1,
        value: float | None = None,
        threshold: float = 0,
        evidence: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.count = count
        self.value = count if value is None else value
        self.threshold = threshold
        self.evidence = tuple(evidence[:EVIDENCE_ROWS])
        self.lines = 0
        self.quarantine_file: Path | None = None


class UnreadableFile(BadFlatFile):
    """Truncated or corrupt gzip, or no text."""

    check = "readable"
    rule = "file refused: not readable to its end"


class WrongColumns(BadFlatFile):
    """The header is not the declared one."""

    check = "declared_columns"
    rule = "file refused: columns are not the declared ones"


class WrongSession(BadFlatFile):
    """Most rows belong to another day than the file's name says."""

    check = "right_session"
    rule = "file refused: most rows are of another session"


class ConflictingDuplicates(BadFlatFile):
    """Two rows for one ticker and time disagree."""

    check = "unique_keys"
    rule = "file refused: rows for one ticker and time disagree"


class NoGoodRows(BadFlatFile):
    """The file has no row that can be used."""

    check = "usable_rows"
    rule = "file refused: no usable row"


FILE_CHECKS: tuple[type[BadFlatFile], ...] = (
    UnreadableFile,
    WrongColumns,
    WrongSession,
    NoGoodRows,
    ConflictingDuplicates,
)
"""In the order in which they are looked for."""
