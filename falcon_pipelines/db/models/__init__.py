"""All tables of the `falcon` database."""

from falcon_pipelines.db.models.base import Base
from falcon_pipelines.db.models.changes import CHANNEL
from falcon_pipelines.db.models.charts import PriceChart
from falcon_pipelines.db.models.extraction import Extraction, StrategyVariant
from falcon_pipelines.db.models.live import Feed, FeedSymbol, LiveBar, LiveSession
from falcon_pipelines.db.models.llm import LlmCall, LlmReply
from falcon_pipelines.db.models.market_data import ManifestEntry
from falcon_pipelines.db.models.operations import Heartbeat, LoginEvent, Notification, Proof, Request, User
from falcon_pipelines.db.models.reports import (
    CheckResult,
    CorporateActionRow,
    DiskUsage,
    PipelineRun,
    QuarantineCount,
)
from falcon_pipelines.db.models.research import (
    Backtest,
    Decision,
    Promotion,
    StrategySpec,
    Transcript,
    Trial,
    Verdict,
)
from falcon_pipelines.db.models.screening import (
    ScreenJudgement,
    ScreenOutcome,
    ScreenPick,
    ScreenPool,
    ScreenProfile,
    ScreenProposal,
    ScreenRecord,
    ScreenRun,
)
from falcon_pipelines.db.models.trading import (
    Account,
    AccountHalt,
    AccountMark,
    Fill,
    NotificationDelivery,
    OperatorCommand,
    Order,
    PositionMark,
    PositionTotal,
    Posting,
    SkippedTrade,
)
from falcon_pipelines.db.models.videos import TranscriptFile, Video, WatchedFeed

__all__ = [
    "CHANNEL",
    "Account",
    "AccountHalt",
    "AccountMark",
    "Backtest",
    "Base",
    "CheckResult",
    "CorporateActionRow",
    "Decision",
    "DiskUsage",
    "Extraction",
    "Feed",
    "FeedSymbol",
    "Fill",
    "Heartbeat",
    "LiveBar",
    "LiveSession",
    "LlmCall",
    "LlmReply",
    "LoginEvent",
    "ManifestEntry",
    "Notification",
    "NotificationDelivery",
    "OperatorCommand",
    "Order",
    "PipelineRun",
    "PositionMark",
    "PositionTotal",
    "Posting",
    "PriceChart",
    "Promotion",
    "Proof",
    "QuarantineCount",
    "Request",
    "ScreenJudgement",
    "ScreenOutcome",
    "ScreenPick",
    "ScreenPool",
    "ScreenProfile",
    "ScreenProposal",
    "ScreenRecord",
    "ScreenRun",
    "SkippedTrade",
    "StrategySpec",
    "StrategyVariant",
    "Transcript",
    "TranscriptFile",
    "Trial",
    "User",
    "Verdict",
    "Video",
    "WatchedFeed",
]
