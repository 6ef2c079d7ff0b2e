"""Specs that several tests run."""

from falcon_pipelines.strategies.spec import Spec, parse_spec

SMA_CROSS = """
spec_version: 1
name: sma_cross
params: {fast: {value: 20, values: [10, 20, 30]}, slow: {value: 50, values: [50, 80, 120]}}
indicators:
  - {id: fast, fn: sma, source: close, params: {period: $fast}}
  - {id: slow, fn: sma, source: close, params: {period: $slow}}
entry: {long: {crosses_above: [fast, slow]}}
exit: {signal: {crosses_below: [fast, slow]}}
sizing: {percent_of_equity: 100}
"""

EDGE = """
spec_version: 1
name: buys_after_falls
params: {fall: {value: -1, values: [-0.5, -1, -1.5]}}
entry: {long: {lt: [{pct_change: [close, 1]}, $fall]}}
exit: {time_stop: {bars: 1}}
sizing: {percent_of_equity: 100}
"""


def spec_of(text: str, **replaced: str) -> Spec:
    """A spec from YAML, some pieces of the text replaced (`old=new`, underscores as they are)."""
    for old, new in replaced.items():
        text = text.replace(old, new)
    return parse_spec(text)
