"""The Forge door's nouns: installations, their system tokens, Atlassian's keys.

`tables` says what is stored; `installing` what a site's lifecycle does to its tenant,
and `belonging` whose name a new installation is;
`access` keeps the token that Forge lends us for its Jira; `keys` has the public keys
that prove a call. `manifest` is what Forge reads of us, `consent` what of a change to
it makes admins approve it anew, and `shells` the pages that its front end begins with.
"""

from app.forge.access import (
    Access,
    count_old_calls,
    drop_token,
    find_access,
    find_installation,
    forget_calls,
    keep_token,
    use_once,
)
from app.forge.belonging import Site, move
from app.forge.installing import end, install
from app.forge.keys import ForgeKeys
from app.forge.tables import ForgeCall, ForgeInstallation

__all__ = [
    "Access",
    "ForgeCall",
    "ForgeInstallation",
    "ForgeKeys",
    "Site",
    "count_old_calls",
    "drop_token",
    "end",
    "find_access",
    "find_installation",
    "forget_calls",
    "install",
    "keep_token",
    "move",
    "use_once",
]
