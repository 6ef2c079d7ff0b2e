"""What on the overview needs a person, decided from what is shown there and the time of day."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Literal

from falcon_pipelines.dashboard.formatting import NEW_YORK, counted, duration, words
from falcon_pipelines.dashboard.overview import Overview
from falcon_pipelines.dashboard.queries.operations import FORGOTTEN
from falcon_pipelines.dashboard.values import Value

FILES_COMPLETE_HOUR = 11
"""A session's flat file is complete about this hour of the next day, New York time."""
MISSED_SESSIONS = 2
"""Weekdays without a session before data counts as stale; one alone may be a holiday."""
LIVE_PRICE_AGE = timedelta(minutes=15)
"""A minute bar this old, while the exchange is open, is no live price any more."""
QUARANTINED_SHARE = 0.01
"""Share of the newest session's rows in quarantine that a person should look at."""


class Notice(Value):
    """One thing to know; `act` when somebody has to do something, `note` when not."""

    kind: Literal["act", "note"]
    message: str
    link: str | None = None


def notices(
    overview: Overview, now: datetime, outages: Mapping[str, str] = MappingProxyType({})
) -> list[Notice]:
    """Everything worth saying about an overview and the outages the watch sees, what needs a person first."""
    found = [
        *(
            Notice(kind="act", message=f"{subject[0].upper()}{subject[1:]} is not well: {problem}")
            for subject, problem in outages.items()
        ),
        *_about_data(overview, now),
        *_about_trading(overview, now),
        *_about_strategies(overview),
        *_about_machinery(overview, now),
    ]
    return sorted(found, key=lambda notice: notice.kind != "act")


def stale_prices(overview: Overview, now: datetime) -> dict[str, str]:
    """Tickers held whose price is older than it should be, each with why; a replay's prices are as old as its bars."""
    if _replaying(overview):
        return {}
    trading = any(feed.state in ("live", "stale", "connecting") for feed in overview.signals.feeds)
    newest = overview.data.day.newest_session if overview.data.day else None
    found: dict[str, str] = {}
    for position in overview.positions:
        if position.priced_at is None:
            continue
        priced = position.priced_at.astimezone(NEW_YORK)
        if position.priced_by == "live" and trading and now - position.priced_at > LIVE_PRICE_AGE:
            found[position.ticker] = f"no live bar since {priced:%H:%M}"
        elif position.priced_by == "mark" and newest is not None and priced.date() < newest:
            found[position.ticker] = f"no price since {priced:%Y-%m-%d}, bars reach {newest}"
    return found


def _replaying(overview: Overview) -> bool:
    return any(feed.state == "replaying" for feed in overview.signals.feeds)


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


def _about_trading(overview: Overview, now: datetime) -> list[Notice]:
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
    found += [
        Notice(
            kind="act",
            message=f"No new entries in {words(halt.account)}: {words(halt.kind)}, {halt.reason}.",
            link=f"/trading?account={halt.account_id}#halts",
        )
        for halt in overview.signals.halted_elsewhere
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
    stale = stale_prices(overview, now)
    if stale:
        found.append(
            Notice(
                kind="act",
                message=f"Old prices: {'; '.join(f'{ticker}, {why}' for ticker, why in list(stale.items())[:3])}"
                f"{'; and others' if len(stale) > 3 else ''}.",
                link="#positions",
            )
        )
    if overview.signals.rejected:
        found.append(
            Notice(
                kind="act",
                message=f"{overview.signals.rejected} {'order was' if overview.signals.rejected == 1 else 'orders were'} "
                "rejected since the last close.",
                link="/trading?status=rejected",
            )
        )
    if (
        overview.standing
        and overview.data.day
        and not _replaying(overview)
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


def _about_strategies(overview: Overview) -> list[Notice]:
    return [
        Notice(
            kind="act",
            message=f"{words(strategy.name)} is judged {strategy.verdict}: approve it for paper, or retire it.",
            link=f"/strategies/{strategy.id}#decision",
        )
        for strategy in overview.waiting
    ]


def _about_machinery(overview: Overview, now: datetime) -> list[Notice]:
    found: list[Notice] = []
    for service in overview.signals.services:
        standing, silent_for = service.standing(now), now - service.beat_at
        if standing == "silent" and silent_for < FORGOTTEN:
            message = (
                f"{service.service} on {service.node} has been silent for {duration(silent_for)}. "
                "See falcon status."
            )
        elif standing == "degraded":
            message = (
                f"{service.service} on {service.node} is not well: {service.detail or 'it says no more'}."
            )
        else:
            continue
        found.append(Notice(kind="act", message=message, link="/system#services"))
    found += [
        Notice(
            kind="act",
            message=f"Live bars of {feed.name} are stale: {feed.detail or 'none come'}. "
            "Stops are watched on the newest price there is.",
            link="/system#feeds",
        )
        for feed in overview.signals.feeds
        if feed.state == "stale"
    ]
    failed = [run for run in overview.failed_runs if not run.mended]
    if failed:
        newest = failed[0]
        of = f" of {newest.partition}" if newest.partition else ""
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        found.append(
            Notice(
                kind="act",
                message=f"{words(newest.job)}{of} failed{more}: {newest.problem or 'see its log'}",
                link="/system#failed",
            )
        )
    signals = overview.signals
    if signals.failing_errors:
        found.append(
            Notice(
                kind="act",
                message=f"{counted(signals.failing_errors, 'data check')} failed that must not.",
                link="/data#checks",
            )
        )
    if signals.failing_warnings:
        found.append(
            Notice(
                kind="note",
                message=f"{counted(signals.failing_warnings, 'data check')} warned.",
                link="/data#checks",
            )
        )
    if signals.unsent:
        found.append(
            Notice(
                kind="act",
                message=f"{counted(signals.unsent, 'notification')} could not be sent.",
                link="/system#notifications",
            )
        )
    if signals.unanswered:
        found.append(
            Notice(
                kind="act",
                message=f"{counted(signals.unanswered, 'request')} from the pages found no answer for an hour. "
                "Do the sensors run?",
                link="/system#queue",
            )
        )
    return found
