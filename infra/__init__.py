"""Deploys Falcon's nodes: what `scripts/deploy.sh` runs on the operator's machine. Nothing here runs on a node."""
