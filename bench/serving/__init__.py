"""The web servers that can be tried, each with any of our apps."""
