"""What happened to a site as a whole, in words: a part of the table of all kinds."""

from collections.abc import Mapping

from app.audit import Kind
from app.web.log import event_sentences as said
from app.web.log.event_sentences import Told

STOPPED = (
    "The operator stopped Countersign for this site: calls are verified and recorded,"
    " nothing is carried out."
)

SITES: Mapping[Kind, Told] = {
    Kind.INSTALLED: Told(
        "Installed",
        "success",
        "The app was installed at {base_url}, with shared secret number"
        " {secret_generation}.",
    ),
    Kind.INSTALL_TOO_LATE: Told(
        "Late install",
        "warning",
        "An installation arrived that is older than the last one. It changed nothing.",
    ),
    Kind.UNINSTALLED: Told(
        "Uninstalled",
        "warning",
        "The app was uninstalled. Every shared secret ended, and nothing is signed.",
    ),
    Kind.UNINSTALL_TOO_LATE: Told(
        "Late uninstall",
        "warning",
        "An uninstallation arrived that is older than the last change. It changed"
        " nothing.",
    ),
    Kind.ENABLED: Told("Enabled", "success", "Jira says that the app is enabled."),
    Kind.DISABLED: Told(
        "Disabled",
        "warning",
        "Jira says that the app is disabled. Calls that come are still served.",
    ),
    Kind.CONNECT_UNINSTALLED: Told(
        "Connect app removed",
        "information",
        "The Connect app was uninstalled. The site is served through Forge.",
    ),
    Kind.FORGE_INSTALLED: Told("Installed by Forge", "success", said.forge_installed),
    Kind.FORGE_UNINSTALLED: Told(
        "Forge app removed",
        "warning",
        "The Forge app is being removed. The site is served through Connect.",
    ),
    Kind.DATACENTER_ADDED: Told(
        "Site added",
        "information",
        "The operator added the self-managed site at {base_url}. It waits until its"
        " Jira has answered us.",
    ),
    Kind.DATACENTER_PROVEN: Told(
        "Site proven",
        "success",
        "Jira answered a call of ours at {base_url}. The site is let in; there we act"
        " as the user {account}.",
    ),
    Kind.DATACENTER_TOKEN_RENEWED: Told(
        "Token renewed",
        "information",
        "The operator replaced the personal access token. It is number {number}, of the"
        " user {account}; the one before opens nothing of ours any more.",
    ),
    Kind.DATACENTER_REMOVED: Told(
        "Site removed",
        "warning",
        "The operator removed the self-managed site at {base_url}. Its token is"
        " forgotten, and nothing is signed.",
    ),
    Kind.CONDITIONS_MENDED: Told(
        "Conditions mended",
        "information",
        "Conditions of holds named the account of the Connect app. Now they name the"
        " one that Countersign acts as: {count} of them.",
    ),
    Kind.APPROVED: Told("Approved", "success", "The operator let this site in."),
    Kind.SUPERSEDED: Told(
        "Superseded",
        "warning",
        "Another installation has proven to be {base_url} now. This one stopped"
        " calling and signing.",
    ),
    Kind.SECRET_OFFERED: Told(
        "Secret offered",
        "information",
        "An installation came, for {base_url}, with a secret that is to be proven:"
        " Jira has to answer a call of ours that is signed with it. Until then the one"
        " before counts.",
    ),
    Kind.SECRET_PROVEN: Told(
        "Secret proven",
        "success",
        "Jira answered, at {base_url}, a call that is signed with the secret that it"
        " offered. It counts from now on, as shared secret number {secret_generation};"
        " the one before is accepted for {grace_minutes} minutes more.",
    ),
    Kind.SECRET_DROPPED: Told(
        "Secret dropped",
        "warning",
        said.because(
            "The secret that an installation for {base_url} offered was dropped, and"
            " the one before goes on to count."
        ),
    ),
    Kind.ADDRESS_REFUSED: Told(
        "Address refused",
        "danger",
        "An installation of this site names {base_url}, which is the address of"
        " another site that has the app. It is not taken over.",
    ),
    Kind.JIRA_REFUSES_US: Told(
        "Jira refuses us",
        "danger",
        said.because("Jira accepts no call of Countersign's."),
    ),
    Kind.JIRA_ACCEPTS_US: Told(
        "Jira accepts us", "success", "Jira accepts Countersign's calls again."
    ),
    Kind.STOPPED: Told("Stopped", "warning", said.because(STOPPED)),
    Kind.RESUMED: Told(
        "Resumed", "success", "The operator let Countersign go on for this site."
    ),
}
