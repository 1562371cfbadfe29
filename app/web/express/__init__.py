"""The short way for what Jira sends most: a transition's call that is plainly in order.

Of a hundred calls, ninety-nine come from a tenant that called a moment ago, are signed
with a secret that counted then, and are new. `lane` lets those in without Flask, by
what is remembered of who may call (`app/web/remembered.py`), and writes many of them in
one transaction (`together`). Whatever is not plainly in order goes the long way, which
alone refuses: `app/web/triggered.py` behind its guard. The short way accepts nothing
that the long one would not; tests/functional/test_express.py holds one against the
other (ADR 17).
"""
