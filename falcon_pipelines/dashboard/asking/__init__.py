"""The writing side: from a form or a JSON body to one inserted row, asked once, and what became of it."""
