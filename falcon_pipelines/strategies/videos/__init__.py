"""Where transcripts of videos come from: addresses that may be asked, captions, and why there may be none."""
