"""Self-managed sites from the operator's shell: added, renewed, removed (ADR 21)."""

import json
import re
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from app import doctor
from app.cli import self_managed
from app.http import Response, SendError
from sandbox import Jira
from sandbox.web import causing
from tests.functional.conftest import rule
from tests.functional.fakes import Wire
from tests.functional.self_managed import Office

PANEL = {"shows": "builds", "pipeline_id": "p", "pipeline_name": "P"}


def test_site_that_is_not_reached_waits_and_says_which_exception_it_needs(
    office: Office, wire: Wire
) -> None:
    gone = SendError("the name jira2.example was not found", sent=False)
    wire.elsewhere["jira2.example"] = lambda _: gone
    done = office.shell(
        "tenants", "add-datacenter", "--url", "http://jira2.example:8080/", typed="abc"
    )

    assert done.exit_code == 1
    assert "COUNTERSIGN_EGRESS_EXCEPTIONS=" in done.output
    assert "pending" in office.shell("tenants", "list").output
    [waiting] = re.findall(r"^tenant (\S+)$", done.output, re.MULTILINE)
    approved = office.shell("tenants", "approve", waiting)
    assert (approved.exit_code, "tenants check" in approved.output) == (1, True)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"accountId": "1", "deploymentType": "Cloud"}, "a site of Jira Cloud"),
        ({"deploymentType": "Server"}, "it is not Jira that answers"),
        ([], "it is not Jira that answers"),
    ],
    ids=["cloud", "nobody", "list"],
)
def test_site_that_is_no_self_managed_jira_is_not_let_in(
    office: Office, wire: Wire, said: object, words: str
) -> None:
    answer = Response(status=200, body=json.dumps(said).encode())
    wire.elsewhere["other.example"] = lambda _: answer
    url = ("--url", "https://other.example")

    done = office.shell("tenants", "add-datacenter", *url, typed="abc")

    assert (done.exit_code, words in done.output) == (1, True)
    assert office.shell("tenants", "list").output.count("pending") == 1


def test_door_that_is_shut_takes_no_site(office: Office) -> None:
    settings = office.runtime.settings.model_copy(update={"doors": ("connect",)})
    office.runtime = replace(office.runtime, settings=settings)
    url = ("--url", "https://other.example")

    done = office.shell("tenants", "add-datacenter", *url, typed="abc")

    assert (done.exit_code, "COUNTERSIGN_DOORS" in done.output) == (1, True)
    unknown = office.shell("tenants", "check", str(uuid.uuid4()))
    assert (unknown.exit_code, "no such tenant" in unknown.output) == (1, True)


def test_token_is_never_an_argument_nor_told(office: Office, jira: Jira) -> None:
    for command in (self_managed.add, self_managed.renew_token):
        assert not {p.name for p in command.params} & {"token", "pat"}
    pat = jira.datacenter.pat
    listed = office.shell("tenants", "list").output
    checked = office.shell("tenants", "check", named(office)).output
    assert "as the user JIRAUSER10103" in checked
    assert pat not in listed + checked
    empty = office.shell("tenants", "renew-token", named(office), typed="  ")
    spaced = office.shell("tenants", "renew-token", named(office), typed="a b")
    assert (empty.exit_code, spaced.exit_code) == (1, 1)


def named(office: Office) -> str:
    return str(office.tenant)


def test_doctor_says_whether_jira_takes_the_token(office: Office, jira: Jira) -> None:
    def found() -> tuple[str, str]:
        with office.runtime.sessions.begin() as session:
            site = doctor.read(session, office.runtime, office.tenant)
        findings = doctor.of_site(office.runtime, site, timedelta(seconds=8))
        [about] = [each for each in findings if each.check == "access-token"]
        return str(about.health), about.saw

    assert found() == ("ok", "Jira at jira.example takes calls that we sign")
    causing.cause(jira, "dc-revoke-pat", {})
    health, saw = found()
    assert (health, "it has ended, or was revoked" in saw) == ("fail", True)


def test_address_is_one_sites_alone_until_it_is_removed(
    office: Office, jira: Jira
) -> None:
    arguments = ("tenants", "add-datacenter", "--url", jira.base_url)
    pat = jira.datacenter.pat
    assert "has this address" in office.shell(*arguments, typed=pat).output

    removed = office.shell("tenants", "remove", str(office.tenant), "--yes")
    assert removed.output == "removed\n"
    assert office.send("GET", "/datacenter/api/v1/pages/overview").status == 401
    assert "let in" in office.shell(*arguments, typed=pat).output


def test_rule_is_put_and_shown_from_a_shell(office: Office) -> None:
    listener = str(office.listen())
    named = (str(office.tenant), "--listener", listener)

    put = office.shell("rules", "put", *named, typed=rule())
    bad = office.shell("rules", "put", *named, typed='{"v": 1}')

    assert put.output == "version 1\n"
    assert (bad.exit_code, "steps: " in bad.output) == (1, True)
    assert json.loads(office.shell("rules", "show", *named).output)["id"] == "r_test"


def test_what_a_self_managed_jira_cannot_do_is_refused_by_name(office: Office) -> None:
    panel, _ = office.set_up(name="Panel", kind="jira-devops", url="", settings=PANEL)
    deliver = {"do": "deliver", "destination": f"d_{panel.hex}"}
    assign = {"do": "assign-issue", "to": "5b10ac8d82e05b22cc7d4ef5:1"}

    answer = office.save(office.listen(), rule(deliver, assign))

    assert answer.status == 422
    problems = {p["key"]: p["message"] for p in json.loads(answer.body)["problems"]}
    assert "development panel" in problems["steps[0].destination"]
    assert "account ids" in problems["steps[1].to"]
