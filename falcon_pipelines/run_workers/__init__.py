"""Runs on nodes: a queue in Redis, a worker on every compute node, each run a process of its own.

The launcher is dagster-celery's with cancellation and health of our own: on one machine Dagster's default launcher is used.
"""
