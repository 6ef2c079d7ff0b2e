"""What on the overview needs a person, decided from what is shown there and the time of day."""

from datetime import date, datetime, timedelta
from typing import Literal

from falcon_pipelines.dashboard.formatting import NEW_YORK
from falcon_pipelines.dashboard.overview import Overview
from falcon_pipelines.dashboard.values import Value

FILES_COMPLETE_HOUR = 11
"""A session's flat file is complete about this hour of the next day, New York time."""
MISSED_SESSIONS = 2
"""Weekdays without a session before data counts as stale; one alone may be a holiday."""
QUARANTINED_SHARE = 0.01
"""Share of the newest session's rows in quarantine that a person should look at."""


class Notice(Value):
    """One thing to know; `act` when somebody has to do something, `note` when not."""

    kind: Literal["act", "note"]
    message: str
    link: str | None = None


def notices(overview: Overview, now: datetime) -> list[Notice]:
    """Everything worth saying about an overview, what needs a person first."""
    found = [*_about_data(overview, now), *_about_trading(overview)]
    return sorted(found, key=lambda notice: notice.kind != "act")


def missed_weekdays(newest: date, now: datetime) -> int:
    """Weekdays after `newest` whose flat file should be there by now; holidays count, so one may be none."""
    local = now.astimezone(NEW_YORK)
    complete = local.date() - timedelta(days=1 if local.hour >= FILES_COMPLETE_HOUR else 2)
    days = (complete - newest).days
    return sum((newest + timedelta(days=n)).weekday() < 5 for n in range(1, days + 1))


def _about_data(overview: Overview, now: datetime) -> list[Notice]:
    data = overview.data
    if data.day is None:
        return [
            Notice(
                kind="act",
                message="There are no bars yet. Run falcon ingest day, or falcon demo for synthetic ones.",
            )
        ]
    found = []
    if data.synthetic:
        found.append(
            Notice(kind="note", message="All prices are SYNTHETIC: made up for the demo, not traded.")
        )
    else:
        missed = missed_weekdays(data.day.newest_session, now)
        if missed >= MISSED_SESSIONS:
            found.append(
                Notice(
                    kind="act",
                    message=f"Data is stale: {missed} weekdays without a session since "
                    f"{data.day.newest_session}. See the Dagster UI for failed ingests.",
                    link="#data",
                )
            )
    rows = data.day.newest_rows + data.day.newest_quarantined
    if rows and data.day.newest_quarantined / rows > QUARANTINED_SHARE:
        found.append(
            Notice(
                kind="act",
                message=f"{data.day.newest_quarantined:,} of {rows:,} rows of {data.day.newest_session} "
                "are in quarantine. Compare with the source before trading on them.",
                link="#data",
            )
        )
    return found


def _about_trading(overview: Overview) -> list[Notice]:
    found: list[Notice] = []
    halted = [halt for halt in overview.halts if halt.until is None]
    found += [
        Notice(
            kind="act",
            message=f"No new entries: {halt.kind.replace('_', ' ')} since "
            f"{halt.since.astimezone(NEW_YORK):%Y-%m-%d %H:%M}, {halt.reason}. Exits still run.",
            link="/trading#halts",
        )
        for halt in halted
    ]
    unpriced = [position.ticker for position in overview.positions if position.price is None]
    if unpriced:
        found.append(
            Notice(
                kind="act",
                message=f"No price is known for {', '.join(unpriced[:5])}"
                f"{' and others' if len(unpriced) > 5 else ''}: equity is incomplete.",
                link="#positions",
            )
        )
    if overview.rejected:
        found.append(
            Notice(
                kind="act",
                message=f"{overview.rejected} {'order was' if overview.rejected == 1 else 'orders were'} "
                "rejected since the last close.",
                link="/trading?status=rejected",
            )
        )
    if (
        overview.standing
        and overview.data.day
        and overview.standing.session < overview.data.day.newest_session
    ):
        found.append(
            Notice(
                kind="act",
                message=f"The paper account was last valued on {overview.standing.session}, "
                f"bars reach {overview.data.day.newest_session}.",
                link="#account",
            )
        )
    return found
