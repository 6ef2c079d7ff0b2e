"""Caption files written for Falcon, for the demo and for trying extraction without a network."""
