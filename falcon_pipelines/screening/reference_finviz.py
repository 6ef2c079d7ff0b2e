"""Reference data from the export of Finviz Elite: the whole market as one CSV."""

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from falcon_pipelines.bars.flat_files import BadCredentials, NetworkFailed, SourceError, Throttled
from falcon_pipelines.screening.reference import BadReferenceData
from falcon_pipelines.screening.reference_csv import read_reference_csv

_ENDPOINT = "https://elite.finviz.com/export"
# Ticker, company, sector, industry, market cap, P/E, dividend yield, EPS growth this year, float, short float, earnings.
_COLUMNS = "1,2,3,4,6,7,14,17,25,30,68"
_IN_MILLIONS = ("market_cap", "float_shares")
_TIMEOUT_SECONDS = 30
_LARGEST = 50_000_000


@dataclass(frozen=True)
class FinvizElite:
    """Finviz Elite with the key of its export."""

    key: str = field(repr=False)
    endpoint: str = _ENDPOINT
    name: str = "finviz"

    def fetch(
        self, tickers: Sequence[str], before: pl.DataFrame | None
    ) -> tuple[pl.DataFrame, tuple[str, ...]]:
        """The export as rows. Raises BadCredentials, Throttled, NetworkFailed, SourceError; none names the key."""
        query = urllib.parse.urlencode({"v": 152, "c": _COLUMNS, "auth": self.key})
        address = f"{self.endpoint}?{query}"
        headers = {"User-Agent": "falcon-pipelines"}
        request = urllib.request.Request(address, headers=headers)  # noqa: S310 - the setting allows http(s) only
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
                content = response.read(_LARGEST)
        except urllib.error.HTTPError as error:
            raise _refusal(self.endpoint, error.code) from None
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise NetworkFailed(f"{self.endpoint}: {reason}; check the network") from None
        text = content.decode("utf-8-sig", "replace")
        if text.lstrip()[:1] == "<":
            raise BadCredentials("Finviz answered with a page instead of data; check FALCON_FINVIZ_KEY")
        try:
            return read_reference_csv(text, "Finviz export", _IN_MILLIONS), ()
        except BadReferenceData as error:
            raise SourceError(str(error)) from error


def _refusal(endpoint: str, status: int) -> SourceError:
    if status in (401, 403):
        return BadCredentials("Finviz does not accept the key; check FALCON_FINVIZ_KEY")
    if status == 429:
        return Throttled(f"{endpoint}: asked to slow down; try again later")
    return SourceError(f"{endpoint}: HTTP {status}")
