"""Sensors of live trading: halts and standstills, each a thin shell around `trading.watch`."""

from datetime import UTC, datetime

import dagster as dg

from falcon_pipelines.jobs import prove_books
from falcon_pipelines.resources.database import Database
from falcon_pipelines.trading import watch


@dg.sensor(
    job=prove_books,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Proves the books as soon as an account's entries are halted.",
)
def halted_accounts(context: dg.SensorEvaluationContext, database: Database) -> dg.SensorResult:
    """Asks once for each new halt; its name and reason are in the run's tags."""
    seen = datetime.fromisoformat(context.cursor) if context.cursor else datetime(2000, 1, 1, tzinfo=UTC)
    with database.transaction() as session:
        halts = watch.halts_since(session, seen)
    if not halts:
        return dg.SensorResult(skip_reason="no new halt")
    for name, kind, reason, _ in halts:
        context.log.warning(f"{name}: entries are halted, {kind}: {reason}")
    newest = halts[-1][3]
    request = dg.RunRequest(
        run_key=f"halt:{newest.isoformat()}",
        tags={"falcon/halts": ", ".join(f"{name}: {kind}" for name, kind, _, _ in halts)[:250]},
    )
    return dg.SensorResult(run_requests=[request], cursor=newest.isoformat())


@dg.sensor(
    target=prove_books,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people when live bars stop coming or the trader is silent, and sends when it cannot.",
)
def live_trading(context: dg.SensorEvaluationContext, database: Database) -> dg.SkipReason:
    """Looks from outside the trader; while no trader runs, sends what waits in the outbox in its place."""
    from falcon_pipelines import settings
    from falcon_pipelines.trading.live.outbox import receivers_of, send_in_place_of_trader

    now = datetime.now(UTC)
    with database.transaction() as session:
        state = watch.live_state(session)
        problems = watch.problems(state, now)
        since = watch.stale_since(state.newest_bar, now)
        if since is not None:
            watch.tell_stale(session, since)
        if len(problems) > (since is not None) and state.last_beat is not None:
            watch.tell_silent(session, state.last_beat)
    for problem in problems:
        context.log.error(problem)
    sent = send_in_place_of_trader(database.engine, receivers_of(settings.load().notify_urls), now)
    return dg.SkipReason("; ".join(problems) or f"live trading is well; {sent} messages sent for the trader")
