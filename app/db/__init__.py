"""Tables' common ground.

`columns` has the base class and the types, `ids` our ids, `engines` how each database
is opened, `sessions` how a transaction is begun, `writing` how many rows go into one
statement, `asking` how many ids do, `log_copying` what SQLite is relieved of.
"""

from app.db.asking import Among, Question, stored
from app.db.columns import NAMING_CONVENTION, Base, UTCDateTime, printable
from app.db.engines import BUSY_SECONDS, make_engine
from app.db.ids import is_of, least_id, moment_of, new_id
from app.db.log_copying import LogCopier
from app.db.sessions import (
    Recording,
    in_transaction,
    insert_once,
    make_sessions,
    reading,
    recording,
)
from app.db.writing import Prepared, prepare

__all__ = [
    "BUSY_SECONDS",
    "NAMING_CONVENTION",
    "Among",
    "Base",
    "LogCopier",
    "Prepared",
    "Question",
    "Recording",
    "UTCDateTime",
    "in_transaction",
    "insert_once",
    "is_of",
    "least_id",
    "make_engine",
    "make_sessions",
    "moment_of",
    "new_id",
    "prepare",
    "printable",
    "reading",
    "recording",
    "stored",
]
