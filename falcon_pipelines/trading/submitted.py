"""Orders that were handed in and met no bar yet: which of them a command or a corporate action is about. Pure."""

from collections.abc import Iterable, Sequence

from falcon_pipelines.trading.orders import (
    CancelRequest,
    Command,
    Delisting,
    EditStop,
    Input,
    OrderRequest,
    Split,
)


def concerned(submitted: Sequence[OrderRequest], told: Iterable[Input]) -> list[OrderRequest]:
    """The orders that must be in the books before what is `told` is done, in their order.

    Else a purchase decided on overnight would come about after all was flattened, and one from before a split would
    keep its old prices.
    """
    inputs = tuple(told)
    return [order for order in submitted if any(_is_about(item, order) for item in inputs)]


def _is_about(item: Input, order: OrderRequest) -> bool:
    match item:
        case CancelRequest() | EditStop():
            return item.order == order.id
        case Command(command="flatten"):
            return order.side == "buy"
        case Command(command="close"):
            return order.side == "buy" and order.ticker == item.ticker
        case Split():
            return order.ticker == item.ticker and order.at < item.at
        case Delisting():
            return order.ticker == item.ticker
    return False
