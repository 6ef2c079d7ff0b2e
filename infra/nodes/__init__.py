"""What each kind of node consists of, as steps."""
