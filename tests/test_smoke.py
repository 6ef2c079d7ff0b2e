from sqlalchemy import inspect

from falcon_pipelines.db.engine import database_engine


def test_db(database_url: str) -> None:
    assert "fills" in inspect(database_engine(database_url)).get_table_names()
