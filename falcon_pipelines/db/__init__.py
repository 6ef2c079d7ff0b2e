"""PostgreSQL: models, migrations, sessions, and an embedded server for one machine. No business rules."""
