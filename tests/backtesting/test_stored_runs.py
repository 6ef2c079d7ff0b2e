"""A stored backtest says what it depends on, and running it again from its row gives the same bytes."""

import json
from pathlib import Path

import pytest

from falcon_pipelines.backtesting.research import NotReproducible, backtest_spec, run_key, weigh
from falcon_pipelines.backtesting.store import result_columns, save_backtest, save_verdict
from falcon_pipelines.backtesting.trials import PostgresTrials
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_range
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.synthetic import write_synthetic_flat_files
from falcon_pipelines.db import models
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.strategies.spec import parse_spec
from falcon_pipelines.strategies.store import save_spec, spec_of
from tests.backtesting.specs import EDGE


def test_a_stored_run_is_repeated_to_the_byte_and_its_verdict_too(database_url: str, tmp_path: Path) -> None:
    engine = database_engine(database_url)
    store = BarStore(tmp_path / "store", engine)
    market = write_synthetic_flat_files(tmp_path / "in", tickers=8, sessions=160)
    list(
        ingest_range(DirectorySource(tmp_path / "in"), store, "day", market.sessions[0], market.sessions[-1])
    )
    spec = parse_spec(EDGE + "universe: {liquid: 3}\n")
    with transaction(engine) as session:
        row = save_spec(session, spec, None, None)
        result = backtest_spec(spec, store, store.current_version())
        saved = save_backtest(session, run_key(row, result), result)
        assert save_backtest(session, run_key(row, result), result).id == saved.id
        number = saved.id
    with transaction(engine) as session:
        stored = session.get_one(models.Backtest, number)
        assert stored.settings["environment"].keys() >= {"python", "machine", "numpy", "numba", "TA-Lib"}
        assert stored.spec_hash
        assert stored.code_version
        again = backtest_spec(spec_of(stored.spec), BarStore(store.root, engine), stored.data_version)
        columns = result_columns(again)
        for name in ("stats", "benchmark", "trades", "equity", "warnings"):
            assert json.dumps(columns[name], sort_keys=True) == json.dumps(
                getattr(stored, name), sort_keys=True
            ), name
        assert columns["final_equity"] == stored.final_equity
        first = weigh(stored, store, PostgresTrials(engine))
        save_verdict(session, number, first.verdict, first.document())
        second = weigh(stored, store, PostgresTrials(engine))
        assert json.dumps(first.document(), default=str) == json.dumps(second.document(), default=str)
        stored.trades = stored.trades[1:]
        with pytest.raises(NotReproducible, match="trades came out differently"):
            weigh(stored, store, PostgresTrials(engine))
        session.rollback()
    engine.dispose()
