"""The Forge door: events of a site, and the same pages for its people.

`guarding` says whom an endpoint of our manifest lets in; `events` are what Forge tells
us, `learning` what we make of an installation and its token; `answering` puts the
fragments of our pages into what Forge's front end takes.
"""
