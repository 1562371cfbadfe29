"""Which URL a token is bound to: the raw target, what may confuse it, and its hash."""

import hashlib
import re
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from atlassian_jwt.url_utils import canonicalize_request

from app.tokens.checks import Reason, Refused

MAX_PARAMETERS = 1000

_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_ALLOWED = re.compile(r"[!-~]*", re.ASCII)


def relative(raw_target: str, base_path: str) -> str:
    """Return the target as seen from our base URL, which is what Jira hashed.

    `base_path` is configuration, never the Host header; it must end where a path
    segment ends (`/app` is no prefix of `/apple`). Raise `Refused` otherwise.
    """
    if not raw_target.startswith(base_path):
        raise Refused(Reason.CONFUSABLE_TARGET, "outside the base URL")
    rest = raw_target[len(base_path) :]
    if rest and rest[0] not in "/?":
        raise Refused(Reason.CONFUSABLE_TARGET, "outside the base URL")
    return rest


def refuse_confusable(target: str) -> None:
    """Refuse targets that two readers could read differently (rule T0b).

    The canonicaliser is a library, and its known collisions are the attack: a token
    signed for one of each pair below would open the other.
    """
    path, _, query = target.partition("?")
    if not _ALLOWED.fullmatch(target):
        raise Refused(Reason.CONFUSABLE_TARGET, "not printable ASCII")
    if path and not path.startswith("/"):
        # `GET http://other/path HTTP/1.1`, the absolute form, or `*`.
        raise Refused(Reason.CONFUSABLE_TARGET, "not a path")
    if "//" in path:
        # `//a//` is hashed as `/a`.
        raise Refused(Reason.CONFUSABLE_TARGET, "empty path segment")
    if ":" in path[1:].partition("/")[0]:
        # `/rest:x/y` is hashed as `/x/y`: the library takes `rest:` for a scheme.
        raise Refused(Reason.CONFUSABLE_TARGET, "colon in the first path segment")
    if "&" in path.partition(";")[2]:
        # `/p;x&a=b?c=d` is hashed as `/p;x?a=b&c=d`: it forgets to escape that `&`.
        raise Refused(Reason.CONFUSABLE_TARGET, "ampersand after a semicolon")
    if "#" in target or "\\" in path:
        raise Refused(Reason.CONFUSABLE_TARGET, "fragment or backslash")
    _refuse_confusable_escapes(path, query)
    _refuse_confusable_query(query)


def _refuse_confusable_escapes(path: str, query: str) -> None:
    # `%zz`, and bytes that are not UTF-8, decode differently from reader to reader.
    for part in (path, query):
        if _BROKEN_ESCAPE.search(part):
            raise Refused(Reason.CONFUSABLE_TARGET, "malformed escape")
        try:
            unquote_to_bytes(part).decode()
        except UnicodeDecodeError as error:
            raise Refused(Reason.CONFUSABLE_TARGET, "escape not UTF-8") from error


def _refuse_confusable_query(query: str) -> None:
    if query.count("&") >= MAX_PARAMETERS:
        raise Refused(Reason.CONFUSABLE_TARGET, "too many parameters")
    # `jwt` is left out of the hash, so a second one would be unsigned and unseen.
    if len(tokens_in(query)) > 1:
        raise Refused(Reason.TWO_PLACES, "two jwt parameters")


def tokens_in(query: str) -> list[str]:
    """Return the values of the `jwt` parameters of a query."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return [value for name, value in pairs if name == "jwt"]


def hashes(method: str, target: str) -> frozenset[str]:
    """Return each query-string hash that stands for this request, in lower-case hex.

    One, or two when a parameter's name needs encoding: Atlassian's libraries disagree
    whether names are sorted before or after that.
    Both name the same request. Source: "Query string hash", Atlassian Connect.
    """
    canonical: str = canonicalize_request(method, target)
    verb, path, query = canonical.split("&", 2)
    # JavaScript sorts by UTF-16 code units of the decoded name.
    entries = sorted(
        query.split("&"),
        key=lambda entry: unquote(entry.partition("=")[0]).encode("utf-16-be"),
    )
    resorted = "&".join((verb, path, *entries))
    return frozenset((_sha256(canonical), _sha256(resorted)))


def hash_of(method: str, target: str) -> str:
    """Return the hash that we put into a token of our own."""
    return _sha256(canonicalize_request(method, target))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
