"""The database of calls and replies, as the tests of the client use it."""

from tests.llm.conftest import engine, shared_engine

__all__ = ["engine", "shared_engine"]
