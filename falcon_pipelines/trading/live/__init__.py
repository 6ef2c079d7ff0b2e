"""The trader service: live bars into fills, and what a service needs around that. The rules are in `trading`."""
