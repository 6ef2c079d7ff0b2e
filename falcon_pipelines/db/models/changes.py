"""How who listens learns that rows have changed: the migrations give every table a trigger that says so.

It notifies once a statement, at commit, so a batch of rows is one notification and every writer is covered.
"""

CHANNEL = "falcon_changes"
"""LISTEN to this; the payload is the name of the table."""
