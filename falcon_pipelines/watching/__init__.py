"""What watches Falcon from outside Dagster: short programs that timers start, which tell people and heal."""
