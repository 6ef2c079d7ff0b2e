"""Side-by-side speed and memory, each printing ratios; run with `make bench`."""
