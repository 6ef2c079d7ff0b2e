"""Screening profiles: features of the whole market, a score, and ranked candidates."""
