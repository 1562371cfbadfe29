"""What Jenkins' answers mean, and what an admin can do about each."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.destinations import asking
from app.destinations.answers import Judged, Verdict, as_object, judge
from app.http import Response, SendError

PARAMETER = "COUNTERSIGN"
"""By which we say what run it is, and where an answer is to go."""

_OK, _CREATED = 200, 201
_PLACE = re.compile(r"/queue/item/([0-9]{1,18})/?$", re.ASCII)


def judge_job(answer: Response | SendError, now: datetime) -> Judged:
    """Say whether a build was put into the queue: a 201 says so, and nothing else."""
    judged = judge(answer, now=now)
    if isinstance(answer, SendError):
        return judged
    if answer.status == _CREATED:
        return _queued(judged, answer)
    if judged.verdict is Verdict.ACCEPTED:
        return _is_no_start(judged)
    return _refused(judged, _OF_JOB)


def _queued(judged: Judged, answer: Response) -> Judged:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    place = _PLACE.search(headers.get("location", ""))
    if place is None:
        return replace(judged, words="Jenkins took it, and did not say where it queues")
    words = f"Jenkins put it into its queue, as item {place[1]}"
    return replace(judged, words=words, reference=place[1])


def judge_trigger(answer: Response | SendError, now: datetime) -> Judged:
    """Say whether a job was triggered: the status alone does not say so."""
    judged = judge(answer, now=now)
    if isinstance(answer, SendError):
        return judged
    if judged.verdict is not Verdict.ACCEPTED:
        return _refused(judged, _OF_TRIGGER)
    if answer.status == _OK and not answer.body.strip():
        return replace(judged, verdict=Verdict.AMBIGUOUS, words=_SILENT)
    jobs = _jobs(answer)
    if not jobs:
        return _is_no_start(judged)
    return _triggered(judged, jobs)


def _triggered(judged: Judged, jobs: Mapping[str, Mapping[str, Any]]) -> Judged:
    begun = [said for said in jobs.values() if said.get("triggered") is True]
    if not begun:
        return replace(judged, verdict=Verdict.REJECTED, words=_FILTERED)
    if len(begun) > 1:
        return replace(judged, words=f"Jenkins triggered {len(begun)} jobs")
    place = begun[0].get("id")
    is_known = isinstance(place, int) and not isinstance(place, bool) and place > 0
    reference = str(place) if is_known else ""
    return replace(judged, words="Jenkins triggered the job", reference=reference)


def judge_dry_run(answer: Response | SendError, now: datetime) -> Judged:
    """Say whether the trigger knows the token."""
    judged = judge(answer, now=now)
    if isinstance(answer, SendError):
        return judged
    if judged.verdict is not Verdict.ACCEPTED:
        return _refused(judged, _OF_TRIGGER)
    jobs = _jobs(answer)
    if any(said.get("url") for said in jobs.values()):
        return replace(judged, verdict=Verdict.REJECTED, words=_NOT_DRY)
    if jobs:
        count = "one job" if len(jobs) == 1 else f"{len(jobs)} jobs"
        return replace(judged, words=f"Jenkins knows the token: it triggers {count}")
    if answer.status == _OK and not answer.body.strip():
        words = "Jenkins knows the token, but a delivery will be in doubt: " + _SILENT
        return replace(judged, verdict=Verdict.REJECTED, words=words)
    return _is_no_start(judged, verdict=Verdict.REJECTED)


def judge_parameters(
    answer: Response | SendError, now: datetime, *, needed: Sequence[str]
) -> Judged:
    """Say whether the job is there, and takes what a rule may pass.

    Jenkins lets a parameter that the job does not declare pass, and drops it.
    """
    judged = judge(answer, now=now)
    if isinstance(answer, SendError):
        return judged
    if judged.verdict is not Verdict.ACCEPTED:
        return _refused(judged, _OF_JOB)
    found = as_object(answer)
    if "name" not in found:
        return _is_no_start(judged, verdict=Verdict.REJECTED)
    if found.get("buildable") is False:
        return replace(judged, verdict=Verdict.REJECTED, words=_OF_JOB[409])
    declared = _declared(found)
    missing = [name for name in (*needed, PARAMETER) if name not in declared]
    if not missing:
        return replace(judged, words=_ALL_THERE)
    lacks = f"the job lacks the parameters {', '.join(missing)}"
    words = (
        f"{lacks}: declare them; a Jenkinsfile's own are known after its first build"
    )
    return replace(judged, verdict=Verdict.REJECTED, words=words)


def _declared(job: Mapping[str, Any]) -> set[str]:
    return {
        str(each.get("name"))
        for known in asking.as_objects(job.get("property"))
        for each in asking.as_objects(known.get("parameterDefinitions"))
    }


def _jobs(answer: Response) -> dict[str, dict[str, Any]]:
    jobs = as_object(answer).get("jobs")
    found = jobs if isinstance(jobs, dict) else {}
    return {name: said for name, said in found.items() if isinstance(said, dict)}


def _is_no_start(judged: Judged, verdict: Verdict = Verdict.AMBIGUOUS) -> Judged:
    """Say that something else answered, such as a sign-in page in front of it."""
    words = (
        f"what answered {judged.status} did not answer as Jenkins does: check the"
        " address, and whether a sign-in page stands before it"
    )
    return replace(judged, verdict=verdict, words=words)


def _refused(judged: Judged, words: Mapping[int, str]) -> Judged:
    status = judged.status or 0
    if 300 <= status < 400:  # noqa: PLR2004
        return replace(judged, words=_SENT_AWAY)
    return replace(judged, words=words.get(status, judged.words))


_SENT_AWAY = (
    "Jenkins sends us elsewhere, as to its sign-in page: check the user and the token,"
    " and that the address is the one that Jenkins has as its own"
)
_ALL_THERE = (
    "Jenkins knows the user and the job, and the job has all parameters. Whether the"
    " user may build it, the first delivery shows"
)
_FILTERED = (
    "Jenkins knows the token and triggered no job: the filter of the trigger did not"
    " let this through, or the job is disabled"
)
_SILENT = (
    "the trigger is set to a silent response, so nobody can tell whether a job was"
    " triggered: switch that off in the job"
)
_NOT_DRY = (
    "Jenkins started a build although it was only asked: its plugin “Generic Webhook"
    " Trigger” is too old for a dry run. Update it, and look for that build"
)
_OF_JOB = {
    400: "Jenkins refused it with 400: the job takes no parameters, or not these",
    401: "Jenkins does not take the user's API token: check both",
    403: "Jenkins forbids it: the user or the token is wrong, or the user lacks the"
    " right Job/Build on this job",
    404: "Jenkins shows the user no such job: check its name and folders, and the right"
    " Job/Read",
    409: "the job is disabled in Jenkins, or cannot be built",
    500: "Jenkins answered 500, which does not say what became of it; some versions"
    " answer so for a job without parameters",
}
_OF_TRIGGER = {
    403: "Jenkins forbids it: its allow-list of the Generic Webhook Trigger does not"
    " know us, or something in front of it refuses us",
    404: "no job has a Generic Webhook Trigger with this token, or Jenkins lacks the"
    " plugin: check the token and the address",
    500: "Jenkins failed while it triggered jobs, so some of them may have started",
}
