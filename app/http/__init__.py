"""The only door to the network: who may be reached, how long, how much (rule T11)."""

from app.http.egress import Egress, Exempt, ForbiddenError
from app.http.messages import Http, Network, Request, Response, SendError
from app.http.real import RealHttp

__all__ = [
    "Egress",
    "Exempt",
    "ForbiddenError",
    "Http",
    "Network",
    "RealHttp",
    "Request",
    "Response",
    "SendError",
]
