"""A site's choices, what is kept about people, and diagnostics."""
