"""What every table shares: the declarative base and the column types of money, prices and times."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from sqlalchemy import DateTime, MetaData, Numeric, func
from sqlalchemy.orm import DeclarativeBase, mapped_column

Money = Annotated[Decimal, mapped_column(Numeric(20, 6))]
"""US dollars."""
Price = Annotated[Decimal, mapped_column(Numeric(20, 6))]
"""US dollars per share."""
Shares = Annotated[Decimal, mapped_column(Numeric(20, 6))]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
"""A time in UTC with its zone."""
Created = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]


class Base(DeclarativeBase):
    """Base of all tables of the `falcon` database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
