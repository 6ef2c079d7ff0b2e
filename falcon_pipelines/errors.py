"""The two kinds of failure a person can meet; each package derives its own types from them.

A message is one line: what happened, to which thing, what to do.
"""


class FalconError(Exception):
    """Something failed while doing what was asked; the command exits with 1."""

    exit_code = 1


class InputError(FalconError):
    """What was asked for is wrong: bad usage, a bad file, an unknown name; the command exits with 2."""

    exit_code = 2
