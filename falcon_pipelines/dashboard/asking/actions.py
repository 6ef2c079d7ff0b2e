"""What an account can be told, in the words its page uses."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """One command: what its page asks, what follows, and how the button reads.

    `target` names what it is about (position, order), `confirm` wants the account's name typed, `dangerous` colours
    the button.
    """

    command: str
    title: str
    effect: str
    button: str
    target: str | None = None
    confirm: bool = False
    dangerous: bool = False


ACTIONS = {
    action.command: action
    for action in (
        Action(
            "pause",
            "Pause entries?",
            "No new position is opened until somebody resumes. Stops, targets and other exits keep working.",
            "Pause entries",
        ),
        Action(
            "resume",
            "Resume entries?",
            "New positions are opened again from the next bar on, unless another halt is in force.",
            "Resume entries",
        ),
        Action(
            "acknowledge",
            "Acknowledge the halts?",
            "Halts that wait for a person end, and entries are possible again. Read the reasons first.",
            "Acknowledge",
        ),
        Action(
            "flatten",
            "Close every position?",
            "Every position is sold at the next bar's open, and purchases that wait are cancelled. New entries stay "
            "possible afterwards: pause them too if there should be none.",
            "Close everything",
            confirm=True,
            dangerous=True,
        ),
        Action(
            "close",
            "Close this position?",
            "It is sold at the next bar's open; its stop and target end with it, and purchases of it that wait are "
            "cancelled.",
            "Close position",
            target="position",
            dangerous=True,
        ),
        Action(
            "cancel",
            "Cancel this order?",
            "It can no longer be filled. A position it protects stays open without it.",
            "Cancel order",
            target="order",
            dangerous=True,
        ),
        Action(
            "edit_stop",
            "Move this stop?",
            "From the next bar on the position is closed at the new price.",
            "Move stop",
            target="order",
        ),
    )
}
