"""Every token that we read or make: pure, no database, no Flask, no network.

Read `checks` first: what all token families share. Then `target`: which URL a token
is bound to. Then the families, one file each: `connect`, `forge`, `listener` (with the
`public_keys` that it trusts), and `ours`.
"""
