"""How numbers and times are written."""

from datetime import UTC, datetime
from decimal import Decimal

from falcon_pipelines.dashboard import formatting


def test_profit_has_a_sign_and_zero_has_none() -> None:
    assert formatting.signed_money(Decimal("1234.5")) == "+1,234.50"
    assert formatting.signed_money(Decimal("-1234.5")) == "\N{MINUS SIGN}1,234.50"
    assert formatting.signed_money(Decimal("0.001")) == "0.00"
    assert formatting.signed_percent(-0.0004) == "0.0\N{NO-BREAK SPACE}%"
    assert formatting.signed_percent(-0.051) == "\N{MINUS SIGN}5.1\N{NO-BREAK SPACE}%"


def test_prices_below_a_dollar_keep_four_places() -> None:
    assert formatting.price(Decimal("0.8425")) == "0.8425"
    assert formatting.price(Decimal("1")) == "1.00"
    assert formatting.price(Decimal("0")) == "0.00"


def test_times_are_new_york_times_in_summer_and_winter() -> None:
    assert ">2026-11-20 16:00<" in formatting.new_york(datetime(2026, 11, 20, 21, tzinfo=UTC))
    assert ">2026-07-01 16:00<" in formatting.new_york(datetime(2026, 7, 1, 20, tzinfo=UTC))


def test_a_day_bar_is_written_as_its_session() -> None:
    assert ">2026-11-20<" in formatting.new_york(datetime(2026, 11, 20, 5, tzinfo=UTC))


def test_places_in_a_video_are_minutes_and_seconds() -> None:
    assert [formatting.clock(s) for s in (2.8, 247, 3723)] == ["0:02", "4:07", "1:02:03"]
