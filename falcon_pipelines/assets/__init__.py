"""What exists: one thin module per stage of the road. Dagster here, logic in the domain packages."""

import warnings

import dagster as dg

# Backfill policies are stable in practice; the warning would be the first line every command prints.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
