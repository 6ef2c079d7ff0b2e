"""What a spoken condition compares: averages, oscillators, bands, past highs, prices, volume, levels."""

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from falcon_pipelines.strategies.extraction.atoms import IndicatorUse, State
from falcon_pipelines.strategies.extraction.spoken_numbers import number_text

Kind = Literal[
    "average", "oscillator", "band", "channel", "price", "volume", "level", "pronoun", "macd", "vwap"
]

NUMBER = r"\d+(?:\.\d+)?"
DET = (
    r"(?:(?:the|my|our|your|its|their|a|an|that|this) )?"
    r"(?:(?:fast|faster|quick|slow|slower|short(?:er)?(?: term)?|long(?:er)?(?: term)?) )?"
)
SIGNED = r"-?\d+(?:\.\d+)?"
UNIT = r"(?:trading day|business day|day|period|bar|session|week|month|hour|minute)"
END = r"(?!\S)"
NOT_A_QUANTITY = r"(?! (?:percent|dollars|times|x|cents|points?|r|minute|hour)\b)"

_STYLE = r"(?:simple|exponential|weighted|hull) "
_AVERAGE = r"(?:moving average|ma|sma|ema|wma|dma|hma|average)(?: line)?"
_NOT_AN_AVERAGE = (
    r"(?! (?:high|low|highs|lows|rsi|atr|adx|range|return|volume|average volume|moving|simple|"
    r"exponential|weighted|"
    r"ema|sma|ma|max|maximum|hold|holding|time|chart)\b)"
)

AVERAGE = (
    rf"(?:{DET}(?:{_STYLE})?{NUMBER}(?: {UNIT})? (?:{_STYLE})?{_AVERAGE}(?! volume)"
    rf"|{DET}{NUMBER}(?: {UNIT})? (?:simple|exponential)(?! (?:moving|average|ma)\b)"
    rf"|{DET}(?:{_STYLE})?{_AVERAGE} (?:of |set to |at |with a (?:period|length) of |period )?{NUMBER}"
    rf"(?: {UNIT})?{NOT_A_QUANTITY})"
)
DAY_AVERAGE = rf"(?:{DET}{NUMBER} (?:day|week|period|bar)(?: line)?{_NOT_AN_AVERAGE})"
BARE_AVERAGE = rf"(?:the {NUMBER}{NOT_A_QUANTITY}{_NOT_AN_AVERAGE}(?! {UNIT}\b))"
SOME_AVERAGE = rf"(?:{DET}(?:{_STYLE})?(?:moving average|ema|sma|ma)(?: line)?)"
RSI = (
    rf"(?:{DET}(?:{NUMBER} {UNIT} )?rsi(?: indicator| line| reading| value| number| level)?"
    rf"(?:(?: of| set to| with a (?:period|length|setting) of| at a period of) {NUMBER}(?: period| day| bar)?"
    rf"| {NUMBER}(?= (?:is|goes|drops|falls|dips|gets|closes|crosses|rises|below|above|reading)\b))?)"
)
OSCILLATOR = (
    rf"(?:{DET}(?:{NUMBER}(?: {UNIT})? )?(?:stochastics?|stoch|adx|cci|mfi|money flow index|williams_r)"
    rf"(?: oscillator| indicator| line| reading)?)"
)
MACD = (
    rf"(?:{DET}macd histogram|{DET}histogram|{DET}macd signal line|{DET}signal line|{DET}(?:slow|"
    rf"signal) line|{DET}macd(?: line)?)"
)
BAND = (
    rf"(?:{DET}(?:upper|lower|middle|top|bottom|mid|outer lower|outer upper)(?: side of the)?"
    rf"(?: bollinger)? band"
    rf"|{DET}(?:bottom|top|lower|upper) of (?:the )?bollinger band)"
)
VWAP = rf"(?:{DET}vwap(?: line)?)"
CHANNEL = (
    rf"(?:{DET}(?:highest |lowest )?(?:highs?|lows?|close|closing price) of the (?:last|past|previous|"
    rf"prior) {NUMBER} {UNIT}"
    rf"|{DET}(?:previous |prior |last )?{NUMBER} {UNIT} (?:highs?|lows?)"
    rf"|{DET}(?:previous|prior|last) (?:day|bar|session)(?: s)? (?:high|low|close)"
    rf"|yesterday(?:'s|s)? (?:high|low|close))"
)
VOLUME = rf"(?:{DET}(?:daily |trading |relative )?volume)"
AVERAGE_VOLUME = (
    rf"(?:(?:{NUMBER} times )?{DET}(?:{NUMBER} {UNIT} )?average(?: {NUMBER} {UNIT})? volume"
    rf"|(?:{NUMBER} times )?{DET}{NUMBER} {UNIT} (?:volume average|average(?: of volume)?)"
    rf"|(?:{NUMBER} times )?{DET}(?:{NUMBER} {UNIT} )?average)"
)
PRICE = (
    rf"(?:{DET}(?:market price|closing price|daily close|daily bar|share price|stock price|price action|"
    rf"price|close|"
    rf"stock|bar|etf|share|"
    rf"asset|chart|trade)|prices)"
)
INDEX = (
    rf"(?:{DET}(?:spy|qqq|sp 500|sp|nasdaq(?: 100)?|dow(?: jones)?|russell(?: 2000)?|overall market|"
    rf"broad market|market|index))"
)
PRONOUN = r"(?:it|they|this|that one|both|(?:we|you)(?= (?:are|get|close|drop|fall|break|go|trade|stay) ))"
LEVEL = (
    rf"(?:(?:the |a level of |a reading of |level |a )?{SIGNED}(?: level| line| mark|"
    rf" reading)?{NOT_A_QUANTITY}(?! {UNIT}\b))"
)
ZERO = r"(?:the )?(?:zero|0)(?: line)?"

LEFT = (
    f"(?:{CHANNEL}|{AVERAGE}|{RSI}|{OSCILLATOR}|{MACD}|{BAND}|{VWAP}|{DAY_AVERAGE}|{BARE_AVERAGE}|"
    f"{SOME_AVERAGE}|{VOLUME}|{INDEX}|{PRICE}|{PRONOUN})"
)
RIGHT = (
    f"(?:{CHANNEL}|{AVERAGE}|{MACD}|{BAND}|{VWAP}|{DAY_AVERAGE}|{BARE_AVERAGE}|{SOME_AVERAGE}|"
    f"{AVERAGE_VOLUME}|{LEVEL})"
)

BARS_PER_UNIT = {"day": 1, "period": 1, "bar": 1, "session": 1, "week": 5, "month": 21}
COMMON_AVERAGES = frozenset({5, 8, 9, 10, 12, 13, 20, 21, 26, 30, 34, 40, 50, 55, 89, 100, 150, 200})
_OTHER_OSCILLATORS = {
    "adx": "adx",
    "cci": "cci",
    "mfi": "mfi",
    "money flow index": "mfi",
    "williams_r": "williams_r",
}


@dataclass(frozen=True)
class Operand:
    """One side of a comparison: `value` as the spec writes it, and the indicators it needs."""

    kind: Kind
    value: Any
    indicators: tuple[IndicatorUse, ...] = ()
    bare: bool = False
    """A number that is an average only by its company ("the fifty")."""
    other_market: bool = False
    """Named as the market or an index, which may be another instrument than the one traded."""


class NotExpressible(ValueError):
    """The words are clear, but a spec cannot say them; the message says why."""


def indicator(
    fn: str,
    period: float | None,
    states: tuple[tuple[str, State], ...],
    source: str | None = "close",
    timeframe: str | None = None,
) -> IndicatorUse:
    """The use of an indicator of one period; its id is the function and the period where that was said."""
    params = () if period is None else (("period", period),)
    suffix = "" if period is None else f"_{number_text(period).replace('.', '_')}"
    prefix = "volume_" if source == "volume" else ""
    slow = f"_{timeframe}" if timeframe else ""
    return IndicatorUse(f"{prefix}{fn}{suffix}{slow}", fn, source, params, states, timeframe)


def average(period: float, fn: str | None, unit: str | None = None) -> Operand:
    """A moving average; simple where its type was not said, and then the type is inferred."""
    if unit in ("hour", "minute"):
        raise NotExpressible(f"a moving average of {unit}s needs {unit} bars")
    if period < 2 or period != int(period) or period > 1000:
        raise NotExpressible(f"a moving average of {number_text(period)} bars makes no sense")
    states: tuple[tuple[str, State], ...] = (
        ("fn", "stated" if fn else "inferred"),
        ("params.period", "stated"),
    )
    use = indicator(fn or "sma", period, states, timeframe=unit)
    return Operand("average", use.id, (use,))


def as_average(operand: Operand, like: Operand) -> Operand:
    """A bare number as an average of the same type as the one it is compared with."""
    fn, state = like.indicators[0].fn, dict(like.indicators[0].states).get("fn", "inferred")
    period = dict(operand.indicators[0].params)["period"]
    use = indicator(
        fn,
        period,
        (("fn", "inferred" if state == "inferred" else "stated"), ("params.period", "stated")),
        timeframe=operand.indicators[0].timeframe or (like.indicators[0].timeframe if operand.bare else None),
    )
    return replace(operand, value=use.id, indicators=(use,), bare=False)


def read_operand(words: str) -> Operand | None:
    """The operand these canonical words name; None for an average without a period.

    Raises NotExpressible.
    """
    words = words.strip()
    numbers = [float(number) for number in re.findall(rf"(?<!\S){NUMBER}(?!\S)", words)]
    unit = next((u for u in ("week", "month", "hour", "minute") if re.search(rf"\b{u}\b", words)), None)
    for pattern, build in _BUILDERS:
        if re.fullmatch(pattern, words):
            return build(words, numbers, unit)
    return None


def _channel(words: str, numbers: list[float], unit: str | None) -> Operand:
    field = "close" if "clos" in words else "high" if "high" in words else "low"
    if not numbers:
        return Operand("channel", {"lag": [field, 1]})
    if unit in ("hour", "minute"):
        raise NotExpressible(f"a high or low of {unit}s needs {unit} bars")
    bars = (
        252 if (numbers[0], unit) == (52, "week") else int(numbers[0] * BARS_PER_UNIT.get(unit or "day", 1))
    )
    if bars < 2 or bars > 2000:
        raise NotExpressible("a high or low over so many bars makes no sense")
    side = "lowest" if re.search(r"\blow", words) else "highest"
    return Operand("channel", {"lag": [{side: [field, bars]}, 1]})


def _average(words: str, numbers: list[float], unit: str | None) -> Operand:
    fn = None
    for word, name in (
        ("ema", "ema"),
        ("exponential", "ema"),
        ("wma", "wma"),
        ("weighted", "wma"),
        ("sma", "sma"),
        ("simple", "sma"),
        ("hma", "hma"),
        ("hull", "hma"),
    ):
        if re.search(rf"\b{word}\b", words):
            fn = name
    return average(numbers[0], fn, unit)


def _bare_average(words: str, numbers: list[float], unit: str | None) -> Operand | None:
    if numbers[0] not in COMMON_AVERAGES:
        return None
    return replace(average(numbers[0], None), bare=True)


def _rsi(words: str, numbers: list[float], unit: str | None) -> Operand:
    if unit in ("hour", "minute"):
        raise NotExpressible(f"an RSI of {unit}s needs {unit} bars")
    period = numbers[0] if numbers else None
    if period is not None and not (2 <= period <= 200 and period == int(period)):
        raise NotExpressible(f"an RSI of {number_text(period)} bars makes no sense")
    use = indicator(
        "rsi", period, (("params.period", "stated" if numbers else "unspecified"),), timeframe=unit
    )
    return Operand("oscillator", use.id, (use,))


def _oscillator(words: str, numbers: list[float], unit: str | None) -> Operand:
    for spoken, fn in _OTHER_OSCILLATORS.items():
        if re.search(rf"\b{spoken}\b", words):
            use = indicator(
                fn,
                numbers[0] if numbers else None,
                (("params.period", "stated" if numbers else "unspecified"),),
                None,
            )
            return Operand("oscillator", f"{use.id}.adx" if fn == "adx" else use.id, (use,))
    use = IndicatorUse("stochastic", "stoch", None, (), (("params.period", "unspecified"),))
    return Operand("oscillator", "stochastic.k", (use,))


def _macd_states() -> tuple[tuple[str, State], ...]:
    return tuple((f"params.{name}", "unspecified") for name in ("fast", "slow", "signal"))


def _macd(words: str, numbers: list[float], unit: str | None) -> Operand:
    use = IndicatorUse("macd", "macd", "close", (), _macd_states())
    output = (
        "macd.histogram"
        if "histogram" in words
        else "macd.signal"
        if re.search("signal|slow", words)
        else "macd.line"
    )
    return Operand("macd", output, (use,))


def _band(words: str, numbers: list[float], unit: str | None) -> Operand:
    use = IndicatorUse(
        "bollinger",
        "bollinger",
        "close",
        (),
        (("params.period", "unspecified"), ("params.deviations", "unspecified")),
    )
    side = (
        "upper"
        if re.search("upper|top", words)
        else "lower"
        if re.search("lower|bottom", words)
        else "middle"
    )
    return Operand("band", f"bollinger.{side}", (use,))


def _vwap(words: str, numbers: list[float], unit: str | None) -> Operand:
    return Operand("vwap", "vwap", (IndicatorUse("vwap", "vwap", None, ()),))


def _price(words: str, numbers: list[float], unit: str | None) -> Operand:
    return Operand("price", "close")


def _index(words: str, numbers: list[float], unit: str | None) -> Operand:
    return Operand("price", "close", other_market=True)


def _volume(words: str, numbers: list[float], unit: str | None) -> Operand:
    return Operand("volume", "volume")


def average_volume(words: str) -> Operand | None:
    """Average volume, `2 times its 20 day average` included; None where the length was not said."""
    times = re.match(rf"({NUMBER}) times ", words)
    length = re.search(rf"({NUMBER}) {UNIT}", words)
    if length is None:
        return None
    use = indicator("sma", float(length[1]), (("fn", "inferred"), ("params.period", "stated")), "volume")
    return Operand("volume", {"mul": [use.id, float(times[1])]} if times else use.id, (use,))


def _pronoun(words: str, numbers: list[float], unit: str | None) -> Operand:
    return Operand("pronoun", None)


def level(words: str) -> Operand | None:
    """A plain number, as the level of an oscillator."""
    number = re.search(SIGNED, words)
    return Operand("level", float(number[0])) if number else None


_BUILDERS = (
    (CHANNEL, _channel),
    (AVERAGE, _average),
    (rf"{RSI}|{DET}rsi {NUMBER}", _rsi),
    (OSCILLATOR, _oscillator),
    (MACD, _macd),
    (BAND, _band),
    (VWAP, _vwap),
    (DAY_AVERAGE, _average),
    (BARE_AVERAGE, _bare_average),
    (VOLUME, _volume),
    (INDEX, _index),
    (PRICE, _price),
    (rf"{PRONOUN}|we|you", _pronoun),
)
