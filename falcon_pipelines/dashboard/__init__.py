"""The web application: reads PostgreSQL, shows it, and keeps no state of its own."""
