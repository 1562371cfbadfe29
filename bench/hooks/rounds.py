"""Lets the contestants take turns, round by round, and counts what they recorded."""

import http.client
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from app.runtime import utc_now
from bench.hooks import calls, load
from bench.hooks.contestants import Contestant
from bench.hooks.load import Ammunition, Measured

READY_SECONDS = 60
NO_CONTENT = 204
SPACING = 1_000_000
"""Numbers of issues between two presses: more than anybody answers."""


@dataclass
class Counter:
    """Hands out numbers of issues that nobody has had."""

    next: int = calls.FIRST

    def take(self) -> int:
        self.next += SPACING
        return self.next


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What the rounds of one contestant come to, at one number of connections."""

    measured: Sequence[Measured]

    @property
    def rate(self) -> float:
        return statistics.median(each.rate for each in self.measured)

    @property
    def spread(self) -> tuple[float, float]:
        rates = [each.rate for each in self.measured]
        return min(rates), max(rates)

    @property
    def p50(self) -> float:
        return statistics.median(each.p50 for each in self.measured)

    @property
    def p99(self) -> float:
        return statistics.median(each.p99 for each in self.measured)


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """How often, how long, and with what."""

    rounds: int
    seconds: int
    connections: Sequence[int]
    tokens: Mapping[str, Path]
    body: Path
    counter: Counter = field(default_factory=Counter)

    def run(self, contestants: Sequence[Contestant]) -> dict[tuple[str, int], Figures]:
        """Let all of them be ready, then take turns."""
        for each in contestants:
            self._wait(each)
            self._press(each, connections=self.connections[0], seconds=1)
        found: dict[tuple[str, int], list[Measured]] = {}
        for _ in range(self.rounds):
            for connections in self.connections:
                for each in contestants:
                    one = self._press_again(each, connections)
                    found.setdefault((each.name, connections), []).append(one)
        return {place: Figures(measured=each) for place, each in found.items()}

    def _press_again(self, contestant: Contestant, connections: int) -> Measured:
        """Press; once more after an error, which may be the machine's and not his."""
        try:
            return self._press(
                contestant, connections=connections, seconds=self.seconds
            )
        except click.ClickException as error:
            click.echo(f"once more: {error.message}", err=True)
        return self._press(contestant, connections=connections, seconds=self.seconds)

    def _press(
        self, contestant: Contestant, *, connections: int, seconds: int
    ) -> Measured:
        before = contestant.records()
        measured = load.press(
            contestant.port,
            Ammunition(
                target=contestant.target,
                tokens=self.tokens[contestant.target],
                body=self.body,
            ),
            connections=connections,
            seconds=seconds,
            first=self.counter.take(),
        )
        if contestant.table:
            written = contestant.records() - before
            # Those that were under way at the end are recorded, and answered to nobody.
            if not 0 <= written - measured.requests <= connections:
                raise click.ClickException(
                    f"{contestant.name}: {measured.requests} answers and"
                    f" {written} records"
                )
        return measured

    def _wait(self, contestant: Contestant) -> None:
        """Return once it answers a call as it should."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            status = self._call(contestant)
            if status == NO_CONTENT:
                return self._refuse_blind(contestant)
            is_over = contestant.process.popen.poll() is not None
            if status is not None or is_over or time.monotonic() > deadline:
                raise click.ClickException(
                    f"{contestant.name} answers {status}:\n{contestant.process.tail()}"
                )
            time.sleep(0.1)

    def _refuse_blind(self, contestant: Contestant) -> None:
        """Refuse a contestant that does not look at signatures; but the empty view."""
        status = self._call(contestant, forged=True)
        if status == NO_CONTENT and contestant.verifies:
            raise click.ClickException(f"{contestant.name} lets a forged token in")

    def _call(self, contestant: Contestant, *, forged: bool = False) -> int | None:
        """Make one call; return its status, or None while nobody answers."""
        self.counter.next += 1
        number = str(self.counter.next)
        with self.tokens[contestant.target].open() as file:
            token = file.readline().strip()
        if forged:
            signed, _, signature = token.rpartition(".")
            token = f"{signed}.{signature[::-1]}"
        headers = {
            "Authorization": f"JWT {token}",
            "Content-Type": "application/json",
            "X-Atlassian-Webhook-Identifier": f"bench-{number}",
        }
        body = self.body.read_bytes().replace(calls.NUMBER.encode(), number.encode())
        connection = http.client.HTTPConnection("127.0.0.1", contestant.port, timeout=5)
        try:
            connection.request("POST", contestant.target, body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def prepared(folder: Path, targets: Iterable[str], *, count: int) -> dict[str, Path]:
    """Write the tokens for each address; return the files."""
    now = utc_now()
    return {
        target: calls.write(folder, target, now=now, count=count)
        for target in sorted(set(targets))
    }
