"""Screening profiles as data: their schema, their files, their versions in the database. Computes nothing."""
