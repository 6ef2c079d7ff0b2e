"""Programs that setup puts on nodes which have no release of Falcon: each one file, of Python's own library only."""
