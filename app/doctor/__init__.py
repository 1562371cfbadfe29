"""Whether all that trust hangs on is as it should be, and what mends what is not.

Each file is a family of checks; a check returns findings, each of one sentence on what
was seen and one on what to do. `databases` and `workers` look at what is behind us,
`outside` and `arrivals` at what stands before us, `key_hosts` and `sites` at whom we
ask, `signing_keys` at who checks us, `clocks` at the time; `examining` asks them all.
"""

from app.doctor.arrivals import Arrival
from app.doctor.examining import everywhere, of_site
from app.doctor.findings import (
    Finding,
    Health,
    fail,
    is_well,
    looked,
    ok,
    skipped,
    warn,
)
from app.doctor.sites import Site, active, read, waiting

__all__ = [
    "Arrival",
    "Finding",
    "Health",
    "Site",
    "active",
    "everywhere",
    "fail",
    "is_well",
    "looked",
    "of_site",
    "ok",
    "read",
    "skipped",
    "waiting",
    "warn",
]
