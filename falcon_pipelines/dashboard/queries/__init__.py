"""What the pages and the API read: one module per subject, typed values out, nothing written."""
