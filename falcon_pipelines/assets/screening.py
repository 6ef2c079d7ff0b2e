"""The day's candidates: one profile applied to one session's market."""

from datetime import date

import dagster as dg

from falcon_pipelines.assets.market_data import OWNERS, day_bars
from falcon_pipelines.partitions import screens
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database
from falcon_pipelines.screening.profile import find_profile
from falcon_pipelines.screening.run import run_screen
from falcon_pipelines.screening.store import save_screen

_PICK_COLUMNS = dg.TableSchema(
    [
        dg.TableColumn("rank", "int"),
        dg.TableColumn("ticker", "string"),
        dg.TableColumn("score", "float", "weighted percentile, 0 to 1"),
        dg.TableColumn("close", "float", "US dollars"),
        dg.TableColumn("stop", "float", "US dollars"),
        dg.TableColumn("target", "float", "US dollars"),
    ]
)


@dg.asset(
    partitions_def=screens,
    deps=[day_bars],
    group_name="screening",
    owners=OWNERS,
    kinds={"python", "postgres"},
    code_version="1",
    metadata={"dagster/column_schema": _PICK_COLUMNS},
    description="Ranked candidates of one profile and session, each with entry range, stop, target and data version.",
)
def screen_candidates(
    context: dg.AssetExecutionContext, bars: Bars, database: Database
) -> dg.MaterializeResult:
    """Screens the partition's session with its profile and stores the picks."""
    keys = context.partition_key.keys_by_dimension
    profile = find_profile(keys["profile"])
    result = run_screen(profile, bars.reader(), date.fromisoformat(keys["session"]))
    with database.transaction() as session:
        run_id = save_screen(session, result)
    records = [
        dg.TableRecord(
            {
                "rank": pick.rank,
                "ticker": pick.ticker,
                "score": pick.score,
                "close": pick.close,
                "stop": pick.stop,
                "target": pick.target,
            }
        )
        for pick in result.picks
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": len(result.picks),
            "screen_run": run_id,
            "universe": result.universe,
            "data_version": result.version,
            "synthetic": result.synthetic,
            "picks": dg.MetadataValue.table(records, _PICK_COLUMNS),
        }
    )
