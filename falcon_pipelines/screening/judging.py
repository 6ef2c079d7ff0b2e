"""The language model's part: finalists under opaque ids in shuffled orders, its replies checked, their median taken.

A model can reorder, annotate or reject what the factors picked. Whatever else it says, or fails to say, leaves the
factor ranking standing, with the reason.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from statistics import median

from falcon_pipelines.llm.client import Answer, LlmClient, Question
from falcon_pipelines.screening.prompts import PURPOSE, SYSTEM, Ranking, Verdict, envelope, snapshot
from falcon_pipelines.screening.screens import ModelView, Pick, Screen

FEWEST_PERMUTATIONS = 3
LOW_AGREEMENT = 0.5
_ID_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_TOKENS_EACH = 160
_POINTLESS = ("no_provider", "skipped_budget", "unauthorised", "quota", "bad_request")
"""Ends that asking again in another order would not change."""


@dataclass(frozen=True)
class Asked:
    """One permutation: what was asked, what came back, what it cost (the most it can have, where not known)."""

    permutation: int
    ids: Mapping[str, str]
    system: str
    prompt: str
    status: str
    detail: str | None
    reply: str | None
    provider: str | None
    model: str | None
    cached: bool
    cost_usd: Decimal


@dataclass(frozen=True)
class Judged:
    """How the model's part ended: `ok`, or why the factor ranking stands."""

    status: str
    detail: str | None
    model: str | None
    cutoff: date | None
    prompt_version: int
    agreement: float | None
    cost_usd: Decimal
    asked: tuple[Asked, ...]


def judge(screen: Screen, client: LlmClient) -> tuple[Screen, Judged]:
    """The screen as the model's median order has it, and the record of the asking.

    The screen comes back as it was, but for a note, where fewer than three replies could be used.
    """
    settings = screen.profile.llm
    asked: list[Asked] = []
    usable: list[dict[str, tuple[int, Verdict]]] = []
    for permutation in range(1, settings.permutations + 1):
        ids = shuffled_ids(screen, permutation)
        said, ranks = _ask(screen, client, permutation, ids)
        asked.append(said)
        if ranks is not None:
            usable.append(ranks)
        left = settings.permutations - permutation
        if said.status in _POINTLESS or len(usable) + left < FEWEST_PERMUTATIONS:
            break
    cost = sum((said.cost_usd for said in asked), Decimal(0))
    if len(usable) < FEWEST_PERMUTATIONS:
        return _standing(screen, asked, cost)
    agreement = kendalls_w([[ranks[p.ticker][0] for p in screen.picks] for ranks in usable])
    ordered = _ordered(screen, usable, agreement, _models(asked))
    judged = Judged(
        status="ok",
        detail=None,
        model=_models(asked),
        cutoff=_cutoff(client, asked),
        prompt_version=settings.prompt_version,
        agreement=agreement,
        cost_usd=cost,
        asked=tuple(asked),
    )
    return ordered, judged


def shuffled_ids(screen: Screen, permutation: int) -> dict[str, str]:
    """Opaque id: ticker, in the order shown; the same for the same seed, session, profile and permutation."""
    key = f"{screen.seed}|{screen.session}|{screen.slot}|{screen.profile.name}|{permutation}"
    lots = random.Random(key)  # noqa: S311 - a seeded shuffle, not a secret
    tickers = [pick.ticker for pick in screen.picks]
    lots.shuffle(tickers)
    names: list[str] = []
    while len(names) < len(tickers):
        name = "".join(lots.choice(_ID_LETTERS) for _ in range(4))
        if name not in names and name not in tickers:
            names.append(name)
    return dict(zip(names, tickers, strict=True))


def problem_with(ranking: Ranking, shown: Mapping[str, Pick], within_percent: float) -> str | None:
    """What makes a reply unusable; None where it holds. `shown` is the pick behind each id."""
    named = [verdict.id for verdict in ranking.candidates]
    unknown = [name for name in named if name not in shown]
    if unknown:
        return f"unknown id {unknown[0][:40]!r}"
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        return f"the id {twice!r} stands twice"
    missing = [name for name in shown if name not in named]
    if missing:
        return f"the id {missing[0]!r} is missing ({len(missing)} of {len(shown)})"
    for verdict in ranking.candidates:
        close = shown[verdict.id].close
        if not 0 <= verdict.confidence <= 1:
            return f"{verdict.id}: the confidence {verdict.confidence:g} is not between 0 and 1"
        if not 0 < verdict.stop < verdict.entry:
            return f"{verdict.id}: the stop {verdict.stop:g} is not below the entry {verdict.entry:g}"
        if not verdict.entry < verdict.target:
            return f"{verdict.id}: the target {verdict.target:g} is not above the entry {verdict.entry:g}"
        if abs(verdict.entry / close - 1) * 100 > within_percent:
            return (
                f"{verdict.id}: the entry {verdict.entry:g} is more than {within_percent:g} % "
                f"from the price it was shown ({close:g})"
            )
    return None


def kendalls_w(ranks: Sequence[Sequence[int]]) -> float:
    """Kendall's coefficient of concordance of m rankings (m, n) of the same n things without ties, 0 to 1.

    W = 12 S / (m^2 (n^3 - n)), S the squared deviations of the rank sums (Kendall and Babington Smith 1939).
    """
    m, n = len(ranks), len(ranks[0])
    if n < 2:
        return 1.0
    sums = [sum(ranking[i] for ranking in ranks) for i in range(n)]
    mean = m * (n + 1) / 2
    return 12 * sum((total - mean) ** 2 for total in sums) / (m**2 * (n**3 - n))


def _ask(
    screen: Screen, client: LlmClient, permutation: int, ids: Mapping[str, str]
) -> tuple[Asked, dict[str, tuple[int, Verdict]] | None]:
    picks = {pick.ticker: pick for pick in screen.picks}
    shown = {name: picks[ticker] for name, ticker in ids.items()}
    system = SYSTEM[screen.profile.llm.prompt_version]
    prompt = envelope(screen, shown)
    before = client.store.spent(run_id=client.run_id)
    answer: Answer[Ranking] = client.ask(
        Question(
            PURPOSE,
            system,
            prompt,
            Ranking,
            screen.profile.llm.prompt_version,
            max_tokens=500 + _TOKENS_EACH * len(shown),
        )
    )
    spent = client.store.spent(run_id=client.run_id) - before
    status, detail, reply = str(answer.status), answer.detail, None
    ranks: dict[str, tuple[int, Verdict]] | None = None
    if answer.value is not None:
        reply = answer.value.model_dump_json()
        problem = problem_with(answer.value, shown, screen.profile.llm.entry_within_percent)
        if problem is not None:
            status, detail = "malformed", problem
        else:
            ranks = {
                ids[verdict.id]: (rank, verdict)
                for rank, verdict in enumerate(answer.value.candidates, start=1)
            }
    said = Asked(
        permutation=permutation,
        ids=ids,
        system=system,
        prompt=prompt,
        status=status,
        detail=detail,
        reply=reply,
        provider=answer.provider,
        model=answer.model,
        cached=answer.cached,
        cost_usd=spent,
    )
    return said, ranks


def _standing(screen: Screen, asked: Sequence[Asked], cost: Decimal) -> tuple[Screen, Judged]:
    bad = next(said for said in asked if said.status != "ok")
    detail = f"permutation {bad.permutation}: {bad.detail or bad.status}"
    note = f"the model's reply was not used ({bad.status}: {detail}); the factor ranking stands"
    judged = Judged(
        status=bad.status,
        detail=detail,
        model=_models(asked),
        cutoff=None,
        prompt_version=screen.profile.llm.prompt_version,
        agreement=None,
        cost_usd=cost,
        asked=tuple(asked),
    )
    return replace(screen, notes=(*screen.notes, note)), judged


def _ordered(
    screen: Screen, usable: Sequence[Mapping[str, tuple[int, Verdict]]], agreement: float, model: str | None
) -> Screen:
    judged_by = f"{model or 'a model'}, median of {len(usable)} shuffles"
    seen = [_seen(pick, usable, agreement, judged_by, screen) for pick in screen.picks]
    seen.sort(
        key=lambda p: (
            p.model is not None and p.model.rejected,
            p.model.rank if p.model else 0,
            p.factor_rank,
        )
    )
    picks = tuple(replace(pick, rank=rank) for rank, pick in enumerate(seen, start=1))
    notes = screen.notes
    if agreement < LOW_AGREEMENT:
        notes = (*notes, f"low agreement: the model's orders hardly agree (Kendall's W {agreement:.2f})")
    return replace(screen, picks=picks, judged_by=judged_by, notes=notes)


def _seen(
    pick: Pick,
    usable: Sequence[Mapping[str, tuple[int, Verdict]]],
    agreement: float,
    judged_by: str,
    screen: Screen,
) -> Pick:
    said = [ranks[pick.ticker] for ranks in usable]
    places = [rank for rank, _ in said]
    span = max(len(screen.picks) - 1, 1)
    own = 1 - (max(places) - min(places)) / span
    rejections = sum(verdict.verdict == "reject" for _, verdict in said)
    middle = min(said, key=lambda item: (abs(item[0] - median(places)), item[0]))[1]
    return replace(
        pick,
        confidence=round(float(median(verdict.confidence for _, verdict in said)), 4),
        judged_by=judged_by,
        model=ModelView(
            rank=float(median(places)),
            agreement=round(own, 4),
            low_agreement=own < LOW_AGREEMENT or agreement < LOW_AGREEMENT,
            rejected=rejections * 2 > len(said),
            note=middle.note[:500],
            snapshot=snapshot(pick, screen.profile),
            replies=tuple(
                {"permutation": n, "rank": rank, **verdict.model_dump()}
                for n, (rank, verdict) in enumerate(said, start=1)
            ),
        ),
    )


def _models(asked: Sequence[Asked]) -> str | None:
    names = dict.fromkeys(said.model or said.provider for said in asked if said.model or said.provider)
    return ", ".join(str(name) for name in names) or None


def _cutoff(client: LlmClient, asked: Sequence[Asked]) -> date | None:
    """The latest knowledge cutoff of those that answered; None where one of them is not known."""
    known = {provider.name: provider.knowledge_cutoff for provider in client.providers}
    cutoffs = [known.get(said.provider or "") for said in asked if said.status == "ok"]
    stated = [cutoff for cutoff in cutoffs if cutoff is not None]
    return max(stated) if stated and len(stated) == len(cutoffs) else None
