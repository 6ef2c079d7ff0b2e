"""The subcommands of `falcon`, one module per subject; `falcon_pipelines.cli` puts them together."""
