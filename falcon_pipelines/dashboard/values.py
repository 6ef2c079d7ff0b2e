"""The base of every read model and the number types they share, with their form in JSON."""

from decimal import Decimal
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

_AS_NUMBER = PlainSerializer(float, return_type=float, when_used="json")

Dollars = Annotated[Decimal, _AS_NUMBER, Field(description="US dollars")]
PerShare = Annotated[Decimal, _AS_NUMBER, Field(description="US dollars per share")]
Quantity = Annotated[Decimal, _AS_NUMBER, Field(description="shares; negative is short")]
Ratio = Annotated[float, Field(description="a ratio: 0.05 is 5 %")]


Item = TypeVar("Item")


class Value(BaseModel):
    """An immutable value that the pages show and the API answers with."""

    model_config = ConfigDict(frozen=True)


class Problem(Value):
    """Why there is no answer."""

    detail: str


class Page(Value, Generic[Item]):
    """One page of a long list; `next` is the cursor of the page after it, null on the last."""

    items: list[Item]
    next: str | None
