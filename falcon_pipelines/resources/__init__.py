"""What assets talk to. Each resource takes its values from the settings unless a test or a deploy gives others."""
