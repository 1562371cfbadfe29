"""What we claim about speed, to be run by anybody: `make bench`.

Nothing here is a test: a figure of a busy machine proves nothing. `__main__` has the
parts, each of which returns `report.Section`s; a whole run writes them down with the
machine they were measured on.

`hooks` is Jira's calls in a second, on any server of `serving`, beside `peers`;
`carrying` what becomes of them, `growth` what others cost, `footprint` memory and
start, `verification` one call by part, `pages` every view. `databases` makes what is
measured on durable, unlike what tests use; `installation` puts us into it, `tenants`
sites, and `history` their past.
"""
