"""Who may do what: sessions, roles, throttled logins, protection of forms, and a line about each request."""
