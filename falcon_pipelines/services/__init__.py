"""What long-running processes share: signs of life, a clean stop, log lines, waiting for the database."""
