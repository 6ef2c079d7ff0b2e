"""The live feed: minute bars from websockets or a replay, into the table that the trader reads and the bar store."""
