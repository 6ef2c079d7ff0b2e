"""Runs in the database: stored once, scored after their horizon, and what a person may do about the weights."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import session_open_close, sessions_from
from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.db.candidates import candidates
from falcon_pipelines.db.models import Request, ScreenOutcome, ScreenProposal, ScreenRun
from falcon_pipelines.db.requests import ask
from falcon_pipelines.profiles.documents import dump_profile
from falcon_pipelines.profiles.schema import Profile
from falcon_pipelines.profiles.store import get_profile, list_profiles, save_profile
from falcon_pipelines.screening.bar_sources import FileBars
from falcon_pipelines.screening.judging import Asked, Judged
from falcon_pipelines.screening.proposals import CannotDecide, NoProposal, decide, propose
from falcon_pipelines.screening.replay import NothingToReplay, replay
from falcon_pipelines.screening.requests import act
from falcon_pipelines.screening.run import run_screens
from falcon_pipelines.screening.screens import ModelView, Screen
from falcon_pipelines.screening.store import save_screen
from falcon_pipelines.screening.track import profile_record, record_all, record_document, settle
from tests.screening.markets import names, panel_of, profile

FIRST = date(2023, 1, 3)
LATE = datetime(2026, 1, 1, tzinfo=UTC)
TICKERS = (*names(50), "SPY")


def planted(edge: float, sessions: int = 120, seed: int = 3) -> Panel:
    """Daily noise, with an edge: what rose over five sessions rises over the next five by `edge` of that."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.02, (sessions, len(TICKERS)))
    moves[:, -1] *= 0.2
    for row in range(6, sessions):
        past = moves[row - 6 : row - 1].sum(axis=0)
        moves[row] += edge * (past - past.mean())
    close = 40 * np.exp(np.cumsum(moves, axis=0))
    opened = np.vstack([close[:1], close[:-1]])
    return panel_of(
        close,
        TICKERS,
        open=opened,
        high=np.maximum(close, opened) * 1.005,
        low=np.minimum(close, opened) * 0.995,
        volume=rng.lognormal(14, 0.4, close.shape),
    )


def momentum(**changes: object) -> Profile:
    return profile(
        **{
            "factors": [
                {"name": "return_5", "direction": "higher", "weight": 1},
                {"name": "volatility_10", "direction": "lower", "weight": 1},
            ],
            "top_k": 5,
            "horizon_sessions": 5,
            "universe": {"exclude": ["SPY"]},
            **changes,
        }
    )


def screens(chosen: Profile, source: FileBars, days: list[date]) -> list[Screen]:
    return [run_screens([chosen], source, None, day)[0] for day in days]


def store_history(session: Session, source: FileBars, chosen: Profile, every: int = 1) -> list[int]:
    saved = save_profile(session, dump_profile(chosen), "ann")
    days = list(source.sessions())[20::every]
    return [
        save_screen(session, made, profile_version=saved.version, now=LATE)
        for made in screens(chosen, source, days)
    ]


def test_a_run_is_stored_whole_and_once(session: Session) -> None:
    source = FileBars(planted(0.0, 40))
    [made] = screens(momentum(watchlist=["SPY"]), source, [source.sessions()[-1]])
    first = save_screen(session, made, profile_version=1, now=LATE)
    assert save_screen(session, made, profile_version=1, now=LATE) == first
    other = replace(made, version="another")
    assert save_screen(session, other, profile_version=1, now=LATE) != first
    row = session.get_one(ScreenRun, first)
    assert [pick.ticker for pick in row.picks] == [pick.ticker for pick in made.picks]
    assert (row.state, row.judged_by, row.forward) == ("done", "factor score, not AI", False)
    assert row.entry_session == sessions_from(made.session + timedelta(days=1), 1)[0]
    assert row.exit_session == sessions_from(made.session + timedelta(days=1), 5)[-1]
    assert row.watched == [
        {
            "ticker": "SPY",
            "rank": None,
            "score": None,
            "failed": ["outside the universe, or a value is missing"],
        }
    ]
    pick = row.picks[0]
    assert sum(part["points"] for part in pick.contributions.values()) == pytest.approx(pick.score, abs=1e-5)
    assert 0 < pick.stop < pick.entry_low < pick.close < pick.entry_high < pick.target


def test_a_skipped_run_is_stored_with_its_reason(session: Session) -> None:
    source = FileBars(planted(0.0, 10))
    [made] = screens(momentum(), source, [source.sessions()[-1]])
    row = session.get_one(ScreenRun, save_screen(session, made, profile_version=1))
    assert (row.state, row.picks) == ("skipped", [])
    assert row.reason is not None
    assert "volatility_10 needs 11 sessions" in row.reason


def test_several_profiles_that_pick_one_stock_make_one_candidate(session: Session) -> None:
    source = FileBars(planted(0.0, 40))
    day = source.sessions()[-1]
    for name in ("one", "two"):
        [made] = screens(momentum(name=name), source, [day])
        save_screen(session, made)
    [other] = screens(
        momentum(name="three", factors=[{"name": "return_5", "direction": "lower", "weight": 1}]),
        source,
        [day],
    )
    save_screen(session, other)
    together = candidates(session)
    assert len({candidate.ticker for candidate in together}) == len(together)
    assert set(together[0].profiles) >= {"one", "two"}
    assert sum(len(candidate.choices) for candidate in together) == 15
    assert together[-1].profiles == ("three",)


def test_nothing_is_scored_before_its_horizon_closes(session: Session) -> None:
    panel = planted(0.0, 60)
    source = FileBars(panel.rows(0, 40))
    [run_id] = store_history(session, source, momentum(), every=50)
    run = session.get_one(ScreenRun, run_id)
    assert run.exit_session is not None
    close = session_open_close(run.exit_session)[1]
    until = list(FileBars(panel).sessions()).index(run.exit_session)
    one_short = FileBars(panel.rows(0, until))
    enough = FileBars(panel.rows(0, until + 1))
    assert settle(session, one_short, LATE) == []
    assert settle(session, enough, close - timedelta(minutes=1)) == []
    assert session.scalar(select(func.count()).select_from(ScreenOutcome)) == 0
    assert settle(session, enough, close) == [run_id]
    assert settle(session, enough, LATE) == []
    scored = session.get_one(ScreenOutcome, run_id)
    first = run.picks[0].ticker
    column = TICKERS.index(first)
    entry = list(enough.sessions()).index(run.entry_session)  # type: ignore[arg-type]
    expected = panel["close"][until, column] / panel["open"][entry, column] - 1
    assert scored.returns[0] == pytest.approx(expected, abs=1e-7)
    assert scored.benchmark_return == pytest.approx(panel["close"][until, -1] / panel["open"][entry, -1] - 1)


def test_a_planted_factor_is_found_and_noise_is_not(session: Session) -> None:
    source = FileBars(planted(0.12))
    store_history(session, source, momentum())
    settle(session, source, LATE)
    noise = FileBars(planted(0.0, seed=11))
    store_history(session, noise, momentum(name="noise"), every=3)
    found = profile_record(session, "test")
    assert found.factors.verdict == "better than random picks from the same pool"
    assert found.factors.picks > 400
    assert found.waiting == 5
    assert found.forward.verdict.startswith("insufficient (0 of 100)")
    _, made = record_all(session, noise, LATE)
    by_name = {one.profile: one for one in made}
    assert by_name["noise"].factors.verdict == "no better than random picks from the same pool"
    document = record_document(found)
    assert len(document["runs"]) == found.factors.runs
    assert document["verdict"] == found.factors.verdict


def model_says(made: Screen, cutoff: date | None) -> tuple[Screen, Judged]:
    view = ModelView(1.0, 1.0, False, False, "fine", {}, ())
    picks = tuple(replace(pick, confidence=0.7, model=view, judged_by="m") for pick in made.picks)
    said = Asked(1, {}, "s", "p", "ok", None, "{}", "x", "m", False, Decimal("0.01"))
    judged = Judged("ok", None, "m", cutoff, 1, 1.0, Decimal("0.03"), (said,))
    return replace(made, picks=picks, judged_by="m"), judged


def test_a_model_s_picks_count_forward_and_after_its_cutoff_only(session: Session) -> None:
    source = FileBars(planted(0.0, 60))
    days = list(source.sessions())[30:34]
    cutoff = days[1]
    for number, made in enumerate(screens(momentum(), source, days)):
        seen, judged = model_says(made, cutoff)
        entry = sessions_from(made.session + timedelta(days=1), 1)[0]
        before_open = session_open_close(entry)[0] - timedelta(hours=1)
        save_screen(session, seen, judged=judged, now=LATE if number == 3 else before_open)
    settle(session, source, LATE)
    found = profile_record(session, "test")
    assert found.factors.runs == 4
    assert found.forward.runs == 3
    assert found.model.runs == 1
    assert found.left_out == {
        "the session is not after the model's knowledge cutoff": 2,
        "the run was made when the outcome had begun": 1,
    }
    assert sum(one.n for one in found.model.reliability) == 5
    row = session.scalars(select(ScreenRun).order_by(ScreenRun.id)).first()
    assert row is not None
    assert (row.cost_usd, row.picks[0].cost_usd) == (Decimal("0.03"), Decimal("0.006"))
    assert row.judgements[0].prompt == "p"


def test_the_first_run_of_a_session_counts_and_later_ones_do_not(session: Session) -> None:
    source = FileBars(planted(0.0, 60))
    [made] = screens(momentum(), source, [source.sessions()[40]])
    first = save_screen(session, made, profile_version=1, now=LATE)
    save_screen(session, replace(made, version="later", picks=made.picks[:2]), profile_version=1, now=LATE)
    settle(session, source, LATE)
    found = profile_record(session, "test")
    assert (found.factors.runs, found.scored[0]["run"]) == (1, first)


def test_weights_are_proposed_shrunk_decided_and_reverted(session: Session) -> None:
    source = FileBars(planted(0.12))
    save_profile(session, dump_profile(momentum()), "ann")
    with pytest.raises(NoProposal, match=r"insufficient \(0 of 100\)"):
        propose(session, "test")
    store_history(session, source, momentum())
    settle(session, source, LATE)
    made = propose(session, "test")
    assert made.current == {"return_5": 0.5, "volatility_10": 0.5}
    assert 0.55 < made.proposed["return_5"] < 0.8  # towards the one that works, not all the way
    assert get_profile(session, "test").version == 1
    rejected = propose(session, "test")
    decide(session, rejected.id, "reject", "bob")
    approved = decide(session, made.id, "approve", "bob")
    assert approved is not None
    assert (approved.version, approved.origin) == (2, "proposal")
    assert approved.profile.factors[0].weight == made.proposed["return_5"]
    with pytest.raises(CannotDecide, match="is approved"):
        decide(session, made.id, "approve", "bob")
    back = decide(session, made.id, "revert", "bob")
    assert back is not None
    assert (back.version, back.profile) == (3, momentum())
    assert session.get_one(ScreenProposal, made.id).state == "reverted"
    stale = propose(session, "test")
    save_profile(session, dump_profile(momentum(top_k=6)), "ann")
    with pytest.raises(CannotDecide, match="propose again"):
        decide(session, stale.id, "approve", "bob")
    with pytest.raises(CannotDecide, match="no proposal 99"):
        decide(session, 99, "approve", "bob")


def test_requests_are_done_or_refused_with_the_reason(session: Session) -> None:
    days = sessions_from(FIRST, 10)
    bad = dump_profile(momentum()).replace("name: return_5", "name: retrun_5")
    ask(session, "save_profile", {"document": bad}, "ann")
    ask(session, "save_profile", {"document": dump_profile(momentum())}, "ann")
    ask(session, "run_screen", {"profile": "test"}, "ann")
    ask(session, "run_screen", {"profile": "tset"}, "ann")
    ask(session, "run_screen", {"profile": "test", "session": "2020-01-02"}, "ann")
    ask(session, "run_screen", {"profile": "test", "session": "2023-01-16"}, "ann")
    ask(session, "restore_profile", {"name": "test", "version": 9}, "ann")
    ask(session, "delete_profile", {"name": "earnings_plays"}, "ann")
    ask(session, "decide_proposal", {"proposal": 4, "decision": "approve"}, "ann")
    asked, _ = act(session, days, date(2022, 1, 3))
    assert [(one.profile, one.session, one.slot) for one in asked] == [("test", days[-1], "evening")]
    answers = [(row.outcome, row.answer) for row in session.scalars(select(Request).order_by(Request.id))]
    assert answers[0][0] == "refused"
    assert "did you mean 'return_5'?" in str(answers[0][1])
    assert "line" in str(answers[0][1])
    assert answers[1] == ("done", "test is stored as version 1")
    assert answers[2] == (None, None)
    assert "did you mean test?" in str(answers[3][1])
    assert "falcon screen backtest" in str(answers[4][1])
    assert "no bars of 2023-01-16" in str(answers[5][1])
    assert [outcome for outcome, _ in answers[3:7]] == ["refused"] * 4
    assert answers[7][0] == "done"
    assert "no proposal 4" in str(answers[8][1])
    assert "earnings_plays" not in [one.name for one in list_profiles(session)]


def test_a_replay_finds_a_planted_factor_and_says_noise_is_noise() -> None:
    found = replay(momentum(), FileBars(planted(0.12)), None, None, None)
    assert found.record.verdict == "better than random picks from the same pool"
    assert found.open == 5
    assert all("sessions of day bars" in reason for reason in found.skipped)
    noise = replay(momentum(), FileBars(planted(0.0, seed=5)), None, None, None)
    assert noise.record.verdict == "no better than random picks from the same pool"
    few = replay(momentum(), FileBars(planted(0.12)), None, date(2023, 5, 1), date(2023, 6, 1), every=5)
    assert few.record.verdict.startswith("insufficient (")
    with pytest.raises(NothingToReplay, match="no day bars"):
        replay(momentum(), FileBars(planted(0.0, 40)), None, date(2024, 5, 1), None)
    with pytest.raises(NothingToReplay, match="needs 11 sessions"):
        replay(momentum(), FileBars(planted(0.0, 8)), None, None, None)


def test_a_replay_never_sees_what_came_later() -> None:
    panel = planted(0.05)
    end = list(FileBars(panel).sessions())[100]
    before = replay(momentum(), FileBars(panel), None, None, end)
    for field in panel.fields.values():
        field[110:] *= 4  # after the last exit
    assert replay(momentum(), FileBars(panel), None, None, end).record == before.record
