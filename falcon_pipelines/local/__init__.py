"""Falcon on one machine: its database, its processes, and the demo that runs the whole road."""
