"""Does it work? Exact fills, portfolio results, honest statistics and a verdict. Knows no Dagster."""
