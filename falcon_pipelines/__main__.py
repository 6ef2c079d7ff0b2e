"""`python -m falcon_pipelines` is the `falcon` command."""

from falcon_pipelines.cli import main

main()
