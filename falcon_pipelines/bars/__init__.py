"""Market data: flat files, checks, the versioned Parquet store, corporate actions, the trading calendar."""
