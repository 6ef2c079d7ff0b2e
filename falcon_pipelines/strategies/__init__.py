"""A strategy written as data: the spec, its indicators and signals, and extracting one from spoken words."""
