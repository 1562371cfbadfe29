"""Sends JSON to a listener of Countersign, with a token that is bound to both.

    send.py --issuer NAME --secret-file FILE LISTENER < body.json

Any Python from 3.9 on; nothing to install. The secret is the one that Countersign
showed when the listener was added (HS256). It is read from a file: an argument of a
command stands in every list of processes. Ends with 0 if the call was taken.
"""

import argparse
import base64
import hashlib
import hmac
import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

LIFETIME_SECONDS = 60
TIMEOUT_SECONDS = 30
OK = range(200, 300)


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A listener sends nobody elsewhere: who does so wants the token."""

    def redirect_request(self, *_: object) -> None:
        return None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("listener", help="its address, as Countersign shows it")
    parser.add_argument("--issuer", required=True, help="the name chosen for it there")
    parser.add_argument("--secret-file", type=Path, required=True)
    given = parser.parse_args()
    if not given.listener.startswith(("https://", "http://")):
        parser.error("a listener's address begins with https://")
    body = sys.stdin.buffer.read()
    secret = given.secret_file.read_bytes().strip()
    status, said = send(given.listener, given.issuer, secret, body)
    print(f"{status} {said}".strip(), file=sys.stdout if status in OK else sys.stderr)
    return 0 if status in OK else 1


def send(listener: str, issuer: str, secret: bytes, body: bytes) -> "tuple[int, str]":
    """Return the answer's status and text; status 0 is no answer."""
    request = urllib.request.Request(  # noqa: S310 -- its scheme was looked at
        listener,
        data=body,
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Bearer {token(listener, issuer, secret, body)}",
        },
    )
    opener = urllib.request.build_opener(NoRedirects)
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, f"no answer: {error}"


def token(listener: str, issuer: str, secret: bytes, body: bytes) -> str:
    """Make one for this listener and exactly these bytes (RFC 7515, HS256)."""
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": listener,
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
        "jti": str(uuid.uuid4()),
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }
    header = {"alg": "HS256", "typ": "JWT"}
    signed = b".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    signature = encoded(hmac.new(secret, signed, hashlib.sha256).digest())
    return (signed + b"." + signature).decode()


def encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


if __name__ == "__main__":
    sys.exit(main())
