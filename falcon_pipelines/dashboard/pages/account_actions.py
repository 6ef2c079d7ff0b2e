"""One page for each thing an account can be told: what follows from it, one form, one button."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from fastapi import HTTPException, Path, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from falcon_pipelines.dashboard.asking import fields
from falcon_pipelines.dashboard.asking.actions import ACTIONS, Action
from falcon_pipelines.dashboard.asking.forms import Form, InvalidForm, form_key, read_form, refused
from falcon_pipelines.dashboard.asking.submit import submit
from falcon_pipelines.dashboard.asking.trading import Refused, check_command
from falcon_pipelines.dashboard.pages.page import Id, given, page_router, present, read
from falcon_pipelines.dashboard.queries.accounts import AccountName, accounts, chosen
from falcon_pipelines.dashboard.queries.orders import OrderRow, order
from falcon_pipelines.dashboard.queries.positions import Position, positions
from falcon_pipelines.dashboard.rendering import render
from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.commands import request_command

router = page_router()

Command = Annotated[str, Path(pattern="^[a-z_]{1,20}$")]
Target = Annotated[str | None, Query(max_length=200)]


class ActionView(Value):
    """The account, and the position or order that the command is about."""

    account: AccountName
    position: Position | None
    order: OrderRow | None


@router.get("/trading/{account_id}/{command}")
async def confirm(request: Request, account_id: Id, command: Command, target: Target = None) -> Response:
    """The question."""
    return await _page(request, _action(command), account_id, given(target), Form())


@router.post("/trading/{account_id}/{command}")
async def tell(request: Request, account_id: Id, command: Command) -> Response:
    """The answer."""
    action = _action(command)
    sent: Mapping[str, str] = request.state.form
    target = given(sent.get("target"))
    try:
        stop = _stop(action, sent)

        def insert(session: Session, by: str, key: str) -> bool:
            check_command(session, account_id, command, target, sent.get("confirm"))
            return request_command(session, account_id, command, by, target=target, stop=stop, key=key)

        about = f"{command} {target or ''} in account {account_id}"
        back_to = f"/trading?account={account_id}"
        return await submit(request, "c", form_key(sent), back_to, insert, about)
    except InvalidForm as invalid:
        return await _page(request, action, account_id, target, invalid.form)
    except Refused as error:
        if error.status == 404 and not error.field:
            raise HTTPException(404, str(error)) from None
        problems = {error.field or "command": str(error)}
        return await _page(request, action, account_id, target, refused(sent, problems).form)


def _action(command: str) -> Action:
    return present(ACTIONS.get(command), "such command")


def _stop(action: Action, sent: Mapping[str, str]) -> Decimal | None:
    if action.command != "edit_stop":
        return None
    stop: Decimal = read_form(sent, {"stop": fields.price})["stop"]
    return stop


async def _page(
    request: Request, action: Action, account_id: int, target: str | None, form: Form
) -> Response:
    def query(session: Session) -> ActionView | None:
        account = chosen(accounts(session), account_id)
        if account is None:
            return None
        held = [p for p in positions(session, account_id) if p.ticker == target]
        return ActionView(
            account=account,
            position=held[0] if held and action.target == "position" else None,
            order=order(session, account_id, target) if target and action.target == "order" else None,
        )

    found, _ = await read(request, query)
    view = present(found, f"account {account_id}")
    if action.target is not None and not form.problems:
        present(view.position or view.order, f"{action.target} {target or ''}".rstrip())
    return render(
        request,
        "account_action.html",
        status=422 if form.problems else 200,
        action=action,
        view=view,
        target=target,
        form=form,
    )
