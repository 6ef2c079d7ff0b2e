"""Short talks written for Falcon, labelled by hand with the rules they state: a half to tune on, a half to evaluate."""
