"""The control API of the receivers, for tests and scripts.

GET    /sandbox/api/receivers            {names, cache_seconds}
POST   /sandbox/api/receivers            {cache_seconds?, forget_keys?}
DELETE /sandbox/api/receivers            as on the first day
GET    /sandbox/api/receivers/<name>     settings, deliveries, received
POST   /sandbox/api/receivers/<name>/settings
       {proof?, audience?, secret?, honours_delivery_id?}
POST   /sandbox/api/receivers/<name>/answer {how, times?, seconds?}
       how: a name of `answers.MANNERS`; "well" is the normal one
"""

from datetime import timedelta
from typing import Any

from flask import Blueprint, current_app, request

from sandbox.receiver import answers
from sandbox.receiver.receivers import Receivers

Json = dict[str, Any]

BLUEPRINT = Blueprint("receivers", __name__, url_prefix="/sandbox/api/receivers")


def all_of_them() -> Receivers:
    found = current_app.extensions["receivers"]
    if not isinstance(found, Receivers):
        raise TypeError("create_app was not given the receivers")
    return found


def _given() -> Json:
    given = request.get_json(silent=True)
    return given if isinstance(given, dict) else {}


@BLUEPRINT.errorhandler(LookupError)
def missing(error: Exception) -> tuple[Json, int]:
    return {"error": str(error)}, 404


@BLUEPRINT.errorhandler(ValueError)
def wrong(error: Exception) -> tuple[Json, int]:
    return {"error": str(error)}, 400


@BLUEPRINT.get("")
def get_all() -> Json:
    everything = all_of_them()
    keeps = everything.issuers.keeps.total_seconds()
    return {"names": everything.names(), "cache_seconds": keeps}


@BLUEPRINT.post("")
def set_all() -> Json:
    given, issuers = _given(), all_of_them().issuers
    if "cache_seconds" in given:
        issuers.keeps = timedelta(seconds=float(given["cache_seconds"]))
    if given.get("forget_keys"):
        issuers.forget()
    return get_all()


@BLUEPRINT.delete("")
def forget_all() -> Json:
    all_of_them().forget()
    return get_all()


@BLUEPRINT.get("/<name>")
def get_one(name: str) -> Json:
    return all_of_them().at(name).json()


@BLUEPRINT.post("/<name>/settings")
def set_one(name: str) -> Json:
    receiver = all_of_them().at(name)
    receiver.expect(_given())
    return receiver.json()


@BLUEPRINT.post("/<name>/answer")
def set_answer(name: str) -> Json:
    receiver, given = all_of_them().at(name), _given()
    how = str(given.get("how", answers.WELL.name))
    receiver.mood = answers.mood(how, given.get("times"), given.get("seconds"))
    return receiver.json()
