"""A self-managed site: who may call it, and what it tells to whom."""

from sandbox import catalogue, people, workflow
from sandbox.addon import Addon
from sandbox.datacenter import sending, signing
from sandbox.datacenter.access import Access
from sandbox.datacenter.kept import (
    EVENTS,
    Kept,
    Script,
    Webhook,
    new_id,
    new_secret,
)
from sandbox.datacenter.sending import Sender
from sandbox.deliveries import Deliveries
from sandbox.world import Rule, World


class DataCenterError(Exception):
    """It cannot be set up so; the text is for who asked."""


class DataCenter:
    def __init__(self, world: World, addon: Addon, deliveries: Deliveries) -> None:
        self.world = world
        self.access = Access(world)
        self.sender = Sender(world, addon, deliveries)
        if not self.access.listed():
            self.access.make(people.APP, "countersign")

    @property
    def kept(self) -> Kept:
        return self.world.state.datacenter

    @property
    def pat(self) -> str:
        """The newest token of the account that acts for the add-on; empty without."""
        token = self.access.newest(people.APP)
        return token.raw if token else ""

    def add_webhook(
        self,
        url: str,
        *,
        name: str = "Countersign",
        secret: str | None = None,
        events: tuple[str, ...] = (),
        jql: str = "",
    ) -> Webhook:
        """As under "Managing webhooks"; the secret is made here unless it is given."""
        if unknown := set(events) - set(EVENTS):
            raise DataCenterError(f"there is no event {min(unknown)!r}")
        chosen = new_secret() if secret is None else secret
        made = Webhook(new_id(), name, url, chosen, list(events), jql)
        with self.world.change() as state:
            state.datacenter.webhooks.append(made)
        return made

    def add_script(
        self,
        url: str,
        *,
        issuer: str,
        name: str = "Countersign script",
        algorithm: str = "HS256",
        secret: str = "",
    ) -> Script:
        """What a script has in it; HS256 wants the listener's secret."""
        if algorithm not in signing.ALGORITHMS:
            raise DataCenterError(f"there is no algorithm {algorithm!r}")
        if (algorithm == "HS256") != bool(secret):
            raise DataCenterError("HS256 needs a secret, and the others need none")
        made = Script(new_id(), name, url, issuer, algorithm, secret)
        with self.world.change() as state:
            state.datacenter.scripts.append(made)
        return made

    def public_key(self, algorithm: str) -> str:
        """The site's, as PEM; made when it is first asked for."""
        with self.world.change() as state:
            return signing.public_pem(state.datacenter, algorithm)

    def place(
        self,
        transition: str,
        sender: Webhook | Script,
        flow: str = catalogue.WORKFLOW,
    ) -> Rule:
        """Put a post function on the transition (id or name), and publish."""
        found = catalogue.transition(transition)
        if found is None:
            raise LookupError(f"there is no transition {transition!r}")
        module = sending.TRIGGER if isinstance(sender, Webhook) else sending.SCRIPT
        made = Rule(workflow.new_id(), module, sender.id)
        workflow.add(self.world, workflow.Place(flow, found.id), made)
        workflow.publish(self.world, flow)
        return made

    def get(self, sender_id: str) -> Webhook | Script:
        for sender in self.kept.senders:
            if sender.id == sender_id:
                return sender
        raise LookupError(f"there is no webhook or script {sender_id!r}")

    def remove(self, sender_id: str) -> None:
        """Post functions that name it stay, and do nothing."""
        self.get(sender_id)
        with self.world.change() as state:
            kept = state.datacenter
            kept.webhooks = [one for one in kept.webhooks if one.id != sender_id]
            kept.scripts = [one for one in kept.scripts if one.id != sender_id]
