"""A database of the size the pages must stay quick at: 1,000,000 fills, 5,000,000 picks, 10,000 backtests."""

import json
import math
from datetime import date, timedelta
from typing import Any

from sqlalchemy import text

from falcon_pipelines.db.engine import database_engine

FILLS = 1_000_000
PICKS_A_RUN = 50
SCREEN_RUNS = 100_000
SPECS = 2_500
BACKTESTS = 10_000
SESSIONS = 5_850
CURVE_BARS = 1_500
OTHER_ACCOUNTS = 20
"""Half of the fills are the first account's, the rest is spread over these."""


def is_seeded(url: str) -> bool:
    """Whether the database holds all of it."""
    engine = database_engine(url)
    with engine.connect() as connection:
        found = connection.scalar(text("SELECT count(*) FROM verdicts"))
    engine.dispose()
    return found == BACKTESTS


def seed(url: str) -> None:
    """Fill a migrated, empty database. Totals of positions are computed afterwards, as the migration does."""
    engine = database_engine(url)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("SET LOCAL synchronous_commit = off"))
        for statement in STATEMENTS:
            connection.execute(text(statement), PARAMETERS)
        for statement in _research():
            connection.execute(text(statement[0]), statement[1])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


PARAMETERS: dict[str, Any] = {
    "fills": FILLS,
    "half": FILLS // 2,
    "accounts": OTHER_ACCOUNTS,
    "runs": SCREEN_RUNS,
    "picks": PICKS_A_RUN,
    "sessions": SESSIONS,
}

STATEMENTS = (
    """INSERT INTO manifest (seq, digest, kind, frequency, session, revision, source, basis, etag, sha256, path,
                             rows, quarantined, created_at)
       SELECT n, md5(n::text) || md5('x' || n), 'bars', CASE WHEN n % 2 = 0 THEN 'day' ELSE 'minute' END,
              date '2010-01-01' + (n / 2), 1, 's3', 'sip', md5(n::text), md5(n::text), 'bars/' || n,
              CASE WHEN n % 2 = 0 THEN 9000 ELSE 3500000 END, (n % 97 = 0)::int,
              timestamptz '2010-01-02 16:00+00' + (n / 2) * interval '1 day'
       FROM generate_series(1, 2 * :sessions) AS n""",
    """INSERT INTO screen_runs (id, profile, session, slot, attempt, state, notes, data_version, seed, considered,
                                universe, judged_by, forward, watched)
       SELECT n, 'profile_' || n % 10, date '2026-11-20' - (n / 10), 'evening', 1, 'done', '{}', 'v1', 0, 9000,
              4000, 'factors', false, '[]'
       FROM generate_series(0, :runs - 1) AS n""",
    """INSERT INTO screen_picks (run_id, rank, ticker, score, factors, contributions, close, entry_low, entry_high,
                                 stop, target, rejected, low_agreement)
       SELECT run, rank, 'T' || (run * 7 + rank) % 5000, 1.0 / rank, '{"return_60": 0.31, "atr_pct": 0.03}', '{}',
              100, 99, 101, 95, 112, false, false
       FROM generate_series(0, :runs - 1) AS run, generate_series(1, :picks) AS rank""",
    """INSERT INTO accounts (id, name, spec_id, synthetic, opened_at, broker, rules, memory)
       SELECT n, 'account_' || n, NULL, false, timestamptz '2020-01-02 14:30+00' - n * interval '1 day', 'paper',
              '{}', '{}'
       FROM generate_series(1, 1 + :accounts) AS n""",
    """INSERT INTO orders (id, account_id, ticker, side, type, quantity, role, status, submitted_at, sequence, detail)
       SELECT 'o' || n, CASE WHEN n <= :half THEN 1 ELSE 2 + n % :accounts END, 'T' || n / 2 % 500,
              CASE WHEN n % 2 = 0 THEN 'buy' ELSE 'sell' END, 'market', 10, 'order', 'filled',
              timestamptz '2020-01-02 14:30+00' + n * interval '3 minutes', n, '{}'
       FROM generate_series(1, :fills) AS n""",
    """INSERT INTO orders (id, account_id, ticker, side, type, quantity, stop_price, role, status, submitted_at,
                           sequence, detail, parent_id)
       SELECT 'stop' || n, 1, 'T' || n, 'sell', 'stop', 10, 95, 'stop', 'open', timestamptz '2026-11-20 15:00+00',
              n, '{}', 'o' || n
       FROM generate_series(1, 20) AS n""",
    """INSERT INTO fills (id, order_id, account_id, quantity, price, fee, filled_at, flags)
       SELECT 'f' || n, 'o' || n, CASE WHEN n <= :half THEN 1 ELSE 2 + n % :accounts END,
              10, 100 + n % 50, 1, timestamptz '2020-01-02 14:30+00' + n * interval '3 minutes',
              '[]'
       FROM generate_series(1, :fills) AS n""",
    """INSERT INTO postings (entry_id, leg, account_id, number, kind, ledger, ticker, amount, quantity, fill_id,
                             booked_at)
       SELECT md5('e' || n)::uuid, leg, CASE WHEN n <= :half THEN 1 ELSE 2 + n % :accounts END, n,
              CASE WHEN n % 2 = 0 THEN 'buy' ELSE 'sell' END, CASE WHEN leg = 0 THEN 'cash' ELSE 'securities' END,
              CASE WHEN leg = 1 THEN 'T' || n / 2 % 500 END,
              (CASE WHEN n % 2 = 0 THEN -1000 ELSE 1000 END) * (1 - 2 * leg),
              CASE WHEN leg = 1 THEN CASE WHEN n % 2 = 0 THEN 10 ELSE -10 END END, 'f' || n,
              timestamptz '2020-01-02 14:30+00' + n * interval '3 minutes'
       FROM generate_series(1, :fills) AS n, generate_series(0, 1) AS leg""",
    """INSERT INTO postings (entry_id, leg, account_id, number, kind, ledger, ticker, amount, quantity, booked_at)
       SELECT md5('held' || n)::uuid, leg, 1, 2000000 + n, 'buy',
              CASE WHEN leg = 0 THEN 'cash' ELSE 'securities' END, CASE WHEN leg = 1 THEN 'T' || n END,
              CASE WHEN leg = 0 THEN -1000 ELSE 1000 END, CASE WHEN leg = 1 THEN 10 END,
              timestamptz '2026-11-20 15:00+00'
       FROM generate_series(1, 20) AS n, generate_series(0, 1) AS leg""",
    """INSERT INTO postings (entry_id, leg, account_id, number, kind, ledger, amount, booked_at)
       SELECT md5('paid' || n || leg)::uuid, leg, n, 0, 'deposit', CASE WHEN leg = 0 THEN 'cash' ELSE 'capital' END,
              CASE WHEN leg = 0 THEN 1000000 ELSE -1000000 END, timestamptz '2020-01-01 14:30+00'
       FROM generate_series(1, 1 + :accounts) AS n, generate_series(0, 1) AS leg""",
    """INSERT INTO position_totals
       SELECT account_id, ticker, sum(quantity), sum(amount) FROM postings
       WHERE ledger = 'securities' GROUP BY account_id, ticker""",
    """INSERT INTO position_marks (account_id, ticker, price, priced_at)
       SELECT 1, 'T' || n, 104, timestamptz '2026-11-20 21:00+00' FROM generate_series(1, 20) AS n""",
    """INSERT INTO account_marks (account_id, session, cash, market_value, receivable, equity, benchmark)
       SELECT account, date '2020-01-02' + n, 500000, 500000 + n, 0, 1000000 + n, 1000000 + n * 2
       FROM generate_series(1, 1 + :accounts) AS account, generate_series(0, 1700) AS n""",
    """INSERT INTO live_bars (ticker, starts_at, revision, open, high, low, close, volume, source, basis, late)
       SELECT 'T' || ticker, timestamptz '2026-11-20 14:30+00' + minute * interval '1 minute', 0, 104, 105, 103, 104,
              900, 'massive', 'sip', false
       FROM generate_series(1, 500) AS ticker, generate_series(0, 389) AS minute""",
    """INSERT INTO notifications (dedupe_key, kind, title, body, sent_at, attempts)
       SELECT 'fill:' || n, 'fill', 'Bought 10 T' || n, 'at 104.00', now(), 1 FROM generate_series(1, 200000) AS n""",
    """INSERT INTO pipeline_runs (id, job, partition, status, problem, created_at, started_at, ended_at, updated_at)
       SELECT 'run-' || n, 'ingest_day_bars', (date '2010-01-01' + n % 6000)::text,
              CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'succeeded' END, CASE WHEN n % 50 = 0 THEN 'it failed' END,
              timestamptz '2026-11-20 12:00+00' - n * interval '1 hour', now(), now(), now()
       FROM generate_series(1, 20000) AS n""",
    """INSERT INTO check_results (asset, name, partition, passed, severity, description, run_id, evaluated_at,
                                  storage_id)
       SELECT 'day_bars', 'check_' || c, CASE WHEN n = 0 THEN '' ELSE (date '2010-01-01' + n)::text END, n = 0,
              'WARN', 'as it should be', 'run-1', timestamptz '2026-11-20 12:00+00' - n * interval '1 hour',
              n * 10 + c
       FROM generate_series(0, 100) AS n, generate_series(1, 18) AS c""",
    """INSERT INTO quarantine_counts (frequency, session, revision, rule, lines, example_line, example)
       SELECT 'day', date '2010-01-01' + n, 1, 'high below low', 2, 8, 'T1,1,2,3' FROM generate_series(1, 3000) AS n""",
    """INSERT INTO corporate_actions (ticker, kind, ex_date, amount, revision)
       SELECT 'T' || n % 5000, 'dividend', date '2026-11-20' - n / 4, 0.25, 1 FROM generate_series(1, 20000) AS n
       ON CONFLICT DO NOTHING""",
    """INSERT INTO llm_calls (run_id, purpose, provider, rung, model_asked, prompt_hash, parameters, status,
                              cost_usd, reserved_usd, latency_ms, started_at)
       SELECT 'run-' || n, 'extraction', 'openai', 'json_schema', 'model', md5(n::text), '{}', 'ok', 0.001, 0.01, 900,
              now() - n * interval '10 minutes'
       FROM generate_series(1, 20000) AS n""",
    """INSERT INTO price_charts (ticker, synthetic, data_version, as_of, bars, updated_at)
       SELECT 'SPY', false, 'v1', date '2026-11-20',
              jsonb_agg(jsonb_build_array(date '2019-12-20' + n, 300, 301, 299, 300 + n / 10.0, 9000000) ORDER BY n), now()
       FROM generate_series(0, 2500) AS n""",
    """INSERT INTO screen_profiles (name, version, title, document, content, content_hash, origin, saved_by, deleted)
       SELECT 'profile_' || n, version, 'Profile ' || n, repeat('# a line of the profile' || chr(10), 40),
              '{"theme": "Strong stocks that rest.", "schedule": ["evening"]}', md5(n || 'v' || version), 'person', 'ann', false
       FROM generate_series(0, 9) AS n, generate_series(1, 5) AS version""",
    """INSERT INTO screen_records (profile, runs, picks, verdict, document)
       SELECT 'profile_' || n, 900, 45000, 'no better than the pool',
              jsonb_build_object('factors', jsonb_build_object('runs', 900, 'picks', 45000, 'measures', (
                  SELECT jsonb_agg(jsonb_build_object('name', 'measure ' || m, 'unit', 'ratio', 'value', 0.01,
                                                      'low', -0.01, 'high', 0.03, 'n', 900))
                  FROM generate_series(1, 6) AS m)))
       FROM generate_series(0, 9) AS n, generate_series(1, 300)""",
    """INSERT INTO videos (id, origin, state, attempts, asked_at)
       SELECT 'asked' || n, 'submitted', 'no_captions', 3, now() FROM generate_series(1, 2500) AS n""",
    """INSERT INTO transcript_files (name, state, size_bytes, modified_at, seen_at)
       SELECT 'talk' || n || '.vtt', 'studied', 9000, now(), now() FROM generate_series(1, 2500) AS n""",
    """INSERT INTO requests (kind, payload, requested_by, handled_at, outcome)
       SELECT 'study_video', '{"url": "https://youtu.be/x"}', 'ann', now(), 'done' FROM generate_series(1, 20000)""",
    """INSERT INTO heartbeats (service, node, version, state, started_at, beat_at)
       SELECT 'service_' || n, 'node', '0.1.0', 'ok', now(), now() FROM generate_series(1, 8) AS n""",
    "SELECT setval(pg_get_serial_sequence('accounts', 'id'), 1000)",
    "SELECT setval(pg_get_serial_sequence('screen_runs', 'id'), 1000000)",
)


def _research() -> list[tuple[str, dict[str, Any]]]:
    first = date(2020, 1, 2)
    curve = [
        [f"{first + timedelta(days=n)}T05:00:00+00:00", round(1e5 * math.exp(n / 4000), 2), 1e5 + n]
        for n in range(CURVE_BARS)
    ]
    trades = [
        {
            "ticker": f"T{n}",
            "side": "long",
            "quantity": 10,
            "entry_time": "2020-01-02T05:00:00+00:00",
            "entry_price": 100.0,
            "exit_time": "2020-02-03T05:00:00+00:00",
            "exit_price": 101.0,
            "exit_reason": "signal",
            "pnl": 10.0,
            "ambiguous": False,
        }
        for n in range(200)
    ]
    names = ("total_return", "cagr", "volatility", "sharpe", "sortino", "calmar", "max_drawdown", "win_rate")
    stats = dict.fromkeys(names, 0.61)
    variants = [
        {
            "name": f"{n} bp",
            "fee_bps": n,
            "slippage_bps": 5,
            "total_return": 0.1,
            "sharpe": 0.5,
            "excess": 0.01,
        }
        for n in range(6)
    ]
    evidence = {
        "costs": variants,
        "fills": variants[:2],
        "regimes": [{"name": f"mood {n}", "bars": 100, "strategy_return": 0.1} for n in range(4)],
        "sweep": {
            "combinations": 400,
            "best": [{"params": {"a": n}, "sharpe": 0.5} for n in range(10)],
            "heatmap": {
                "across": "a",
                "columns": list(range(20)),
                "down": "b",
                "rows": list(range(20)),
                "sharpe": [[n / 20 + m / 40 for n in range(20)] for m in range(20)],
                "best_over": [],
            },
        },
    }
    inputs = [
        {"name": f"test {n}", "value": 0.1, "low": -0.1, "high": 0.2, "threshold": 0, "passed": n % 2 == 0}
        for n in range(11)
    ]
    values = {
        "specs": SPECS,
        "backtests": BACKTESTS,
        "document": json.dumps({"name": "s", "description": "Buys when it rises.", "timeframe": "day"}),
        "meaning": json.dumps({"rules": ["Buys at the next bar's open when it rises."] * 8, "fields": []}),
        "curve": json.dumps(curve),
        "trades": json.dumps(trades),
        "stats": json.dumps(stats),
        "settings": json.dumps({"tickers": [f"T{n}" for n in range(50)]}),
        "evidence": json.dumps(evidence),
        "inputs": json.dumps(inputs),
        "words": json.dumps([["word", n / 3] for n in range(2000)]),
    }
    return [
        (
            """INSERT INTO transcripts (id, title, url, channel, origin, words, original)
               SELECT 'video' || n, 'Video ' || n, 'https://www.youtube.com/watch?v=' || n, 'A channel', 'youtube',
                      cast(:words AS jsonb), ''
               FROM generate_series(1, :specs) AS n""",
            values,
        ),
        (
            """INSERT INTO strategy_specs (id, name, spec_hash, document, transcript_id, meaning)
               SELECT n, 'strategy_' || n, md5(n::text), cast(:document AS jsonb), 'video' || n,
                      cast(:meaning AS jsonb)
               FROM generate_series(1, :specs) AS n""",
            values,
        ),
        (
            """INSERT INTO extractions (id, transcript_id, extractor, code_version, status, reason, document,
                                        document_hash, in_force, spec_id)
               SELECT n, 'video' || n, 'grammar', '0.1.0', 'runnable', 'entry and exit are stated', '{}', md5(n::text),
                      true, n
               FROM generate_series(1, :specs) AS n""",
            values,
        ),
        (
            """INSERT INTO strategy_variants (extraction_id, spec_id, kind, field, value, why, runnable)
               SELECT n, 1 + (n + m) % :specs, 'reading', 'exit.stop', to_jsonb(m), 'nobody said how far', true
               FROM generate_series(1, :specs) AS n, generate_series(1, 6) AS m""",
            values,
        ),
        (
            """INSERT INTO backtests (id, spec_id, spec_hash, data_version, code_version, seed, settings,
                                      first_session, last_session, initial_cash, final_equity, closed_trades,
                                      open_trades, stats, benchmark, trades, equity, warnings)
               SELECT n, 1 + n % :specs, md5(n::text), 'v1-0123456789ab', '0.1.0', n, cast(:settings AS jsonb),
                      date '2020-01-02', date '2026-11-20', 100000, 100000 + n, 200, 1, cast(:stats AS jsonb),
                      jsonb_build_object('final_equity', 104000, 'total_return', 0.04), cast(:trades AS jsonb),
                      cast(:curve AS jsonb), '[]'
               FROM generate_series(1, :backtests) AS n""",
            values,
        ),
        (
            """INSERT INTO verdicts (id, backtest_id, verdict, reason, inputs, trials, evidence)
               SELECT n, n, (ARRAY['promising', 'no better than buy-and-hold', 'does not work',
                                   'insufficient evidence'])[1 + n % 4],
                      'What it earned may be chance: +0.2% (-3.1% to +4.0%) a year.', cast(:inputs AS jsonb), 400,
                      cast(:evidence AS jsonb)
               FROM generate_series(1, :backtests) AS n""",
            values,
        ),
    ]
