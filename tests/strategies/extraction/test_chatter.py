"""Talk about trading that states no rule of the speaker's own: none may be found in it."""

import pytest

from tests.strategies.extraction.talks import heard, strategy_rules

CHATTER = """
the stock is down six percent and the rsi is at twenty eight so everybody is asking me should i buy it here
last week we talked about the golden cross on the s and p and it has since rallied three percent
when i was younger i would buy anything that dropped ten percent and i got killed
you don't need a five percent stop you need a brain
in two thousand eight people who bought when the rsi was under thirty got destroyed
my friend only buys when the fifty day is above the two hundred day and he does fine
if you had bought when the macd crossed above the signal line in march you would be up forty percent
an rsi below thirty means the stock is oversold that doesn't mean it has to go up
a stop loss is an order to sell when the price drops to a certain level
i get this question a lot do you sell when the rsi is above seventy
the company trades at twenty times earnings and pays a four percent dividend
that is why the two hundred day moving average is so important to institutions
price is above the two hundred day and the fifty day is above the two hundred day so we are in an uptrend
some traders sell half at two r and move the stop to break even
there are traders who exit after ten days no matter what
the fifty day just crossed above the two hundred day on tesla
a trailing stop of ten percent would have taken you out in august
the textbook rsi strategy is buy below thirty sell above seventy
what if we used a five percent stop instead
so does it help to add a ten percent trailing stop
we tested holding for five days and it made no difference
let me know in the comments whether you use a five percent stop or a ten percent stop
you can change the period to nine and the level to twenty
the backtest bought every time the two day rsi fell below ten and sold five days later
i'm going to buy a house when rates fall below five percent
it could drop another ten percent and i'd still hold it
you should risk no more than you can afford to lose
i lost twenty percent in two weeks and i nearly quit
the market fell two percent in three days
they exit when price closes below the ten day
my buddy got out at a hundred and i got out at ninety five
remember the turtle traders bought twenty day highs and sold ten day lows
the classic version uses a fourteen period rsi and buys when it drops below thirty
one way to do it is to sell when the rsi crosses seventy
another option is a two atr stop
i never said buy when the rsi is below thirty
it isn't about buying when the rsi is below thirty
the strategy in this paper buys when the fifty day is above the two hundred day
sell in may and go away
buy low and sell high
you buy the rumor and sell the news
there was a guy who put ninety percent of his account into one trade
interest rates are above five percent and inflation is below three percent
the vix is above thirty when that happens i get out of everything
on the weekly chart we're above the fifty week moving average
he told me to get out when it breaks the fifty day
i wish i had sold when it crossed below the fifty day
don't sell just because it dropped below the fifty day
i'm not saying buy when rsi is below thirty
the rule of thumb is to cut losses at eight percent
my stop was five percent and i got stopped out
we were up ten percent when i sold half
imagine buying every time the fifty crosses the two hundred
"""


@pytest.mark.parametrize("words", CHATTER.strip().splitlines())
def test_no_rule_is_found_in_talk_about_trading(words: str) -> None:
    result = heard(words)
    assert strategy_rules(result) == {}
    assert result.spec is None
