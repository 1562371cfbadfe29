"""The only door to the network: who may be reached, how long, how much (rule T11)."""

from app.http.addresses import refuse_odd
from app.http.deadlines import DEADLINE_SECONDS
from app.http.egress import Egress, Exempt, ForbiddenError
from app.http.in_time import InTime
from app.http.mail import Letter, Mail, MailServer, NoMail, Reply, Stage
from app.http.messages import Http, Network, Request, Response, SendError
from app.http.real import RealHttp
from app.http.real_mail import RealMail, unjudged

__all__ = [
    "DEADLINE_SECONDS",
    "Egress",
    "Exempt",
    "ForbiddenError",
    "Http",
    "InTime",
    "Letter",
    "Mail",
    "MailServer",
    "Network",
    "NoMail",
    "RealHttp",
    "RealMail",
    "Reply",
    "Request",
    "Response",
    "SendError",
    "Stage",
    "refuse_odd",
    "unjudged",
]
