"""What we claim about speed, to be run by anybody: `make bench`.

Nothing here is a test: a figure of a busy machine proves nothing. `history` makes a
site's past, `site` serves it, `pages` asks for every page and says how long it took.
"""
