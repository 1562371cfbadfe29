"""What a command says when the database does not do what it is asked."""

import sqlalchemy as sa


def words_of(error: Exception) -> str | None:
    """Return what an operator can mend, in words; None for what is a fault of ours.

    A database that is away, or whose schema is of another version, is no fault: a
    traceback would only hide which of the two it is.
    """
    if not isinstance(error, (sa.exc.OperationalError, sa.exc.ProgrammingError)):
        return None
    first = str(error.orig).strip().partition("\n")[0]
    return f"the database says: {first}. `countersign doctor` says what mends it"
