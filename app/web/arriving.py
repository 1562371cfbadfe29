"""Where `countersign doctor` sees how addresses arrive: it tells only hashes."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from app.doctor import arrivals
from app.doctor.arrivals import Arrival
from app.web.context import runtime
from app.web.guards import raw_target

bp = Blueprint("arriving", __name__)


@bp.get(f"{arrivals.PATH}/<path:rest>")
def tell(rest: str) -> ResponseReturnValue:
    """Tell by hashes which target arrived, before any decoding.

    Open to all on purpose. Who calls it learns nothing but what he sent; what he sent
    is not in the answer; it reads and writes no row, and is as much work as a refusal.
    """
    del rest
    arrival = Arrival.of(raw_target(), runtime().settings.base_path)
    return arrival._asdict()
