"""Long lists as CSV, streamed page by page so that a million rows need no memory."""

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import StreamingResponse

from falcon_pipelines.dashboard.cursors import Cursor, parse_cursor
from falcon_pipelines.dashboard.values import Page, Value

ROWS_A_PAGE = 5000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Spreadsheets take the full-width forms for the plain ones."""


async def csv_response(
    name: str, row: type[Value], fetch: Callable[[Cursor | None, int], Awaitable[Page[Any]]]
) -> StreamingResponse:
    """A download of every row of a list that pages by time and id."""
    return await csv_pages(name, row, lambda after, limit: fetch(parse_cursor(after), limit))


async def csv_pages(
    name: str, row: type[Value], fetch: Callable[[str | None, int], Awaitable[Page[Any]]]
) -> StreamingResponse:
    """A download of every row that `fetch(after, limit)` gives; the first page is read before it starts."""
    first = await fetch(None, ROWS_A_PAGE)

    async def lines() -> AsyncIterator[str]:
        page = first
        yield _line(dict.fromkeys(row.model_fields, None), header=True)
        while True:
            for item in page.items:
                yield _line(item.model_dump(mode="json"))
            if page.next is None:
                return
            page = await fetch(page.next, ROWS_A_PAGE)

    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


def _line(values: Mapping[str, Any], *, header: bool = False) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(values if header else [_cell(value) for value in values.values()])
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    """A value for a spreadsheet: text that would start a formula is quoted, so that it stays text."""
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value
