"""Every setting, once, and where its value comes from.

Order: an environment variable `FALCON_*`, then `falcon.env` in FALCON_HOME, then the default here.
"""

import os
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from falcon_pipelines.errors import InputError

PREFIX = "FALCON_"
PACKAGE_DIR = Path(__file__).resolve().parent


class InvalidSettings(InputError):
    """A FALCON_* setting has a value that cannot be used."""


class LlmProvider(BaseModel):
    """A server of the OpenAI chat completions protocol; the first of the chain that answers is used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    base_url: str = Field("https://api.openai.com/v1", pattern=r"^https?://")
    model: str = Field(min_length=1)
    api_key: SecretStr | None = None
    json_schema: bool = Field(True, description="whether it is asked for a JSON schema first")
    knowledge_cutoff: date | None = Field(
        None, description="the model knows nothing after this day; its picks before are never scored"
    )
    temperature: float | None = Field(0.0, ge=0, le=2, description="null for models that take only their own")
    token_limit: Literal["max_tokens", "max_completion_tokens"] | None = Field(
        None, description="name of the length parameter; default: OpenAI's own servers take the second"
    )
    input_usd_per_million: Decimal | None = Field(
        None, ge=0, description="price where it is not in the table"
    )
    output_usd_per_million: Decimal | None = Field(None, ge=0)


class Settings(BaseSettings):
    """The settings of one process; immutable after loading."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    home: Path = Field(description="folder for everything Falcon keeps on one machine")
    data_dir: Path | None = Field(None, description="bars and transcripts; default: market_data under home")
    database_url: SecretStr | None = Field(
        None, description="application database; default: an embedded PostgreSQL under home"
    )

    source: Literal["s3", "directory", "alpaca", "yfinance"] = Field("s3", description="where bars come from")
    flatfiles_dir: Path | None = Field(None, description="folder of flat files, for source `directory`")
    s3_endpoint: str = Field("https://files.massive.com", description="S3 endpoint of the flat files")
    s3_bucket: str = Field("flatfiles", description="S3 bucket of the flat files")
    s3_prefix: str = Field("us_stocks_sip", description="key prefix of the flat files")
    s3_access_key: SecretStr | None = Field(None, description="S3 access key id")
    s3_secret_key: SecretStr | None = Field(None, description="S3 secret access key")
    massive_api_key: SecretStr | None = Field(
        None, description="Massive key, for corporate actions and live bars"
    )
    alpaca_key_id: SecretStr | None = Field(None, description="Alpaca key id, for source and feed `alpaca`")
    alpaca_secret_key: SecretStr | None = Field(None, description="Alpaca secret key")
    watchlist: str = Field(
        "", description="tickers for sources `alpaca` and `yfinance` and the live feed, such as AAPL,SPY"
    )
    benchmark: str = Field(
        "SPY",
        pattern=r"^[A-Z][A-Z.]{0,9}$",
        description="ticker that paper accounts are compared with; its day bars have to be ingested",
    )
    feed: Literal["off", "replay", "massive", "alpaca"] = Field(
        "off", description="where live minute bars come from; `replay` plays stored minutes"
    )
    feed_symbols: Literal["wanted", "all"] = Field(
        "wanted",
        description="`wanted`: what is held, ordered, picked, traded by a strategy or on the watchlist",
    )
    feed_replay_speed: float = Field(
        60, ge=0, description="market seconds a second of a replay; 0: as fast as possible"
    )
    feed_replay_start: date | None = Field(
        None, description="first session to replay; default: the first stored"
    )
    feed_replay_end: date | None = Field(None, description="last session to replay; default: the last stored")
    feed_stale_seconds: float = Field(
        180, gt=0, description="silence during a session after which the feed counts as stale"
    )
    feed_buffer_bars: int = Field(
        120_000, ge=1, description="bars held in memory while the database does not answer"
    )
    feed_keep_sessions: int = Field(5, ge=2, description="sessions of live bars kept in the database")
    feed_port: int = Field(
        9471, ge=0, le=65535, description="loopback port of the feed's /healthz and /metrics"
    )
    massive_endpoint: str = Field(
        "https://api.massive.com", pattern=r"^https?://", description="Massive's REST server"
    )
    massive_socket: str = Field(
        "wss://socket.massive.com", pattern=r"^wss?://", description="Massive's websocket server"
    )
    alpaca_feed: Literal["iex", "sip"] = Field("iex", description="whose trades Alpaca's live bars are of")
    alpaca_endpoint: str | None = Field(None, description="Alpaca's data server; default: its own")
    alpaca_socket: str | None = Field(None, description="Alpaca's websocket; default: its own")
    minute_sessions: int = Field(
        20, ge=0, description="how many of the newest sessions are kept complete in minute bars"
    )
    history_start: date | None = Field(
        None, description="first session that is kept complete; default: five years before today"
    )

    transcripts_dir: Path | None = Field(
        None,
        description="watched folder: transcript files put here are studied; default: transcripts under home",
    )
    reference_source: Literal["none", "csv", "massive", "finviz"] = Field(
        "none",
        description="where sectors, fundamentals and earnings dates come from; `csv` goes without saying with a file",
    )
    reference_csv: Path | None = Field(
        None,
        description="CSV of ticker and any of etf, sector, market_cap, earnings_date, ..., for screens and routing",
    )
    finviz_key: SecretStr | None = Field(
        None, description="key of Finviz Elite's export, for source `finviz`"
    )
    finviz_endpoint: str = Field(
        "https://elite.finviz.com/export", pattern=r"^https?://", description="address of Finviz's export"
    )

    llm_providers: tuple[LlmProvider, ...] = Field(
        (), description="JSON list of language model servers, tried in order: name, base_url, model, api_key"
    )
    llm_monthly_budget_usd: Decimal = Field(
        Decimal(10), ge=0, description="spending limit of a calendar month"
    )
    llm_run_budget_usd: Decimal = Field(Decimal(1), ge=0, description="spending limit of one run")
    llm_deadline_seconds: float = Field(
        180, gt=0, description="longest time for one question, retries included"
    )

    paper_cash_usd: Decimal = Field(Decimal(100_000), gt=0, description="starting cash of a new live account")
    broker: Literal["paper", "alpaca"] = Field(
        "paper",
        description="who fills the orders of live accounts: Falcon's ledger, or an Alpaca paper account",
    )
    alpaca_trading_url: str = Field(
        "https://paper-api.alpaca.markets", description="Alpaca's paper trading API; never the live one"
    )
    routing_file: Path | None = Field(
        None, description="which strategy trades a candidate; default: the bundled rules"
    )
    notify_urls: SecretStr | None = Field(
        None, description="where notifications go: apprise URLs, separated by spaces"
    )
    trader_port: int = Field(
        8010, ge=1, le=65535, description="loopback port of the trader's health and metrics"
    )

    runs_broker: str | None = Field(
        None,
        pattern=r"^rediss?://[^\s:]*@?[^\s@]+$",
        description="Redis with the queue of runs, on nodes: rediss://USER@HOST:PORT/0, without the password",
    )
    runs_password_file: Path | None = Field(None, description="file with the password of the queue of runs")
    runs_tls_dir: Path | None = Field(
        None, description="folder of ca.crt, node.crt and node.key for a rediss:// queue of runs"
    )

    canary: Literal["off", "on"] = Field(
        "off",
        description="on: a small run every five minutes shows that daemon, compute and database work together",
    )
    watch_nodes: str = Field(
        "",
        pattern=r"^\s*([\w-]+=[^\s=]+:\d+\s*)*$",
        description="exporters of the nodes whose disks are watched: NAME=HOST:PORT, separated by spaces",
    )
    outages_file: Path | None = Field(
        None, description="what the watch on the web node remembers; the dashboard tells of it"
    )
    host: str = Field("127.0.0.1", description="address the web servers listen on")
    dashboard_port: int = Field(8000, ge=1, le=65535, description="port of the dashboard")
    dashboard_login: Literal["on", "off"] = Field(
        "on", description="off: whoever opens the dashboard is its operator `demo`; on a loopback host only"
    )
    session_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="signs the dashboard's sessions; default: made once, in session.key under home",
    )
    trusted_proxies: str = Field(
        "", description="addresses of the web servers in front of the dashboard, such as 127.0.0.1"
    )
    metrics_from: str = Field("127.0.0.1,::1", description="addresses that may read the dashboard's /metrics")
    dagster_port: int = Field(3000, ge=1, le=65535, description="port of the Dagster UI")
    dagster_url: str | None = Field(
        None,
        pattern=r"^(https?://|/)[^\s\"'<>]*$",
        description="where a browser reaches the Dagster UI, such as /dagster; default: its host and port",
    )

    @property
    def market_data(self) -> Path:
        """Root of the bar store."""
        return self.data_dir or self.home / "market_data"

    @property
    def watched_nodes(self) -> dict[str, str]:
        """The exporters' addresses by the node's name."""
        return dict(part.split("=", 1) for part in self.watch_nodes.split())

    @property
    def watched_transcripts(self) -> Path:
        """The folder whose transcript files are studied."""
        return self.transcripts_dir or self.home / "transcripts"


def default_home() -> Path:
    """`.falcon` in the checkout the package is run from, else in the current folder."""
    checkout = PACKAGE_DIR.parent
    base = checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()
    return base / ".falcon"


def load() -> Settings:
    """Read the settings of this process.

    Raises InvalidSettings naming the variable, its problem and what to do.
    """
    home = Path(os.environ.get(PREFIX + "HOME") or default_home()).expanduser().resolve()
    try:
        return Settings(_env_file=home / "falcon.env", home=home)
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        raise InvalidSettings(f"{name}: {first['msg']}; see `falcon check`") from None


def changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The settings with some values from a command line; raises InvalidSettings naming the option."""
    try:
        return Settings.model_validate({**settings.model_dump(), **values})
    except ValidationError as error:
        first = error.errors()[0]
        option = "-".join(str(part) for part in first["loc"]).replace("_", "-")
        raise InvalidSettings(f"{option}: {first['msg']}") from None


def origin(name: str, home: Path) -> str:
    """Where the setting's value comes from: `environment`, the file's path, or `default`."""
    variable = PREFIX + name.upper()
    if variable in os.environ:
        return "environment"
    env_file = home / "falcon.env"
    if env_file.is_file() and variable in dotenv_values(env_file):
        return str(env_file)
    return "default"
