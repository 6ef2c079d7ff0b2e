"""What exists: one thin module per stage of the road. Dagster here, logic in the domain packages."""
