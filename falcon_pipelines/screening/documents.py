"""A screen as one JSON document: what `falcon screen run --json` prints."""

from typing import Any

from falcon_pipelines.db.candidates import Candidate
from falcon_pipelines.screening.judging import Judged
from falcon_pipelines.screening.screens import Pick, Screen


def screen_document(
    screen: Screen, judged: Judged | None = None, run_id: int | None = None
) -> dict[str, Any]:
    """The run with its picks, the rejected ones apart."""
    return {
        "profile": screen.profile.name,
        "title": screen.profile.title,
        "session": screen.session,
        "slot": screen.slot,
        "bars_session": screen.bars_session,
        "state": "done" if screen.reason is None else "skipped",
        "reason": screen.reason,
        "version": screen.version,
        "reference_version": screen.reference_version,
        "seed": screen.seed,
        "considered": screen.considered,
        "universe": screen.universe,
        "synthetic": screen.synthetic,
        "judged_by": screen.judged_by,
        "notes": list(screen.notes),
        "model": None if judged is None else _model(judged),
        "run": run_id,
        "picks": [pick_document(pick) for pick in screen.kept],
        "rejected": [pick_document(pick) for pick in screen.picks if pick not in screen.kept],
        "watchlist": [vars(watched) for watched in screen.watched],
    }


def pick_document(pick: Pick) -> dict[str, Any]:
    """One pick."""
    document = {
        name: value for name, value in vars(pick).items() if name not in ("model", "about", "contributions")
    }
    document["contributions"] = {name: vars(part) for name, part in pick.contributions.items()}
    seen = pick.model
    document["model"] = None if seen is None else dict(vars(seen))
    return document


def candidate_document(candidate: Candidate) -> dict[str, Any]:
    """One merged candidate with every profile that picked it."""
    best = candidate.best
    return {
        "ticker": candidate.ticker,
        "profiles": list(candidate.profiles),
        "close": best.close,
        "entry_low": best.entry_low,
        "entry_high": best.entry_high,
        "stop": best.stop,
        "target": best.target,
        "confidence": best.confidence,
        "judged_by": best.judged_by,
        "version": best.data_version,
        "picks": [
            {"profile": c.profile, "run": c.run_id, "rank": c.rank, "score": c.score}
            for c in candidate.choices
        ],
    }


def _model(judged: Judged) -> dict[str, Any]:
    return {
        "status": judged.status,
        "detail": judged.detail,
        "model": judged.model,
        "knowledge_cutoff": judged.cutoff,
        "prompt_version": judged.prompt_version,
        "permutations": len(judged.asked),
        "agreement": judged.agreement,
        "cost_usd": judged.cost_usd,
    }
