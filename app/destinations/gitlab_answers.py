"""What GitLab's answers mean, and what an admin can do about each."""

from dataclasses import replace
from datetime import datetime

from app.destinations.answers import Judged, Verdict, as_object, judge
from app.http import Response, SendError

_OK, _CREATED = 200, 201


def judge_start(answer: Response | SendError, now: datetime) -> Judged:
    """Say whether a pipeline was started: a 201 says so, and nothing else does."""
    judged = judge(answer, now=now)
    if isinstance(answer, SendError):
        return judged
    if answer.status == _CREATED:
        return _started(judged, answer)
    if judged.verdict is Verdict.ACCEPTED:
        # As of a sign-in page in front of it, which answers 200 to everything.
        words = f"GitLab answers 201 to what it starts; this was {answer.status}"
        return replace(judged, verdict=Verdict.AMBIGUOUS, words=words)
    return _refused(judged, answer, _REFUSED)


def _started(judged: Judged, answer: Response) -> Judged:
    found = as_object(answer)
    number = found.get("id")
    if not isinstance(number, int) or isinstance(number, bool):
        return replace(judged, words="GitLab took it, and did not say which it started")
    return replace(
        judged,
        words=f"GitLab started pipeline {number}",
        reference=str(number),
        url=str(found.get("web_url", "")),
    )


def _refused(judged: Judged, answer: Response, words: dict[int, str]) -> Judged:
    return replace(judged, words=words.get(answer.status, judged.words))


def judge_project(
    answer: Response | SendError, now: datetime, *, number: str, path: str
) -> Judged:
    """Say whether the project is there, and is the one that an admin means."""
    judged = judge(answer, now=now)
    if isinstance(answer, SendError):
        return judged
    found = as_object(answer)
    if answer.status != _OK:
        return _refused(judged, answer, _NOT_SHOWN)
    if str(found.get("id")) != number:
        words = "what answered is no GitLab: check the address"
        return replace(judged, verdict=Verdict.REJECTED, words=words)
    if path and found.get("path_with_namespace") != path:
        words = "the project with this number has another path than you wrote"
        return replace(judged, verdict=Verdict.REJECTED, words=words)
    return judged


def judge_ref(answer: Response | SendError, now: datetime) -> Judged:
    """Say whether the branch or tag is there, too."""
    judged = judge(answer, now=now)
    if isinstance(answer, SendError):
        return judged
    if answer.status == _OK:
        return replace(judged, words=_ALL_THERE)
    return _refused(judged, answer, {**_NOT_SHOWN, 404: _NO_REF})


NOTHING_TO_ASK = Judged(
    verdict=Verdict.AMBIGUOUS,
    words="nothing was sent: a trigger token can only start a pipeline, so it cannot be"
    " tested without starting one. Give an access token (read_api), and the project"
    " and the branch are asked for",
)
_ALL_THERE = (
    "GitLab knows the project and the branch or tag. Whether the trigger token is good,"
    " only the first delivery shows: it cannot be tested without starting a pipeline"
)
_NO_REF = "the project has no such branch or tag, or the access token may not read it"
_NOT_SHOWN = {
    401: "GitLab does not take the access token: it is wrong, revoked or expired",
    403: "GitLab forbids it: the access token needs “read_api”",
    404: "GitLab shows the access token no project with this number",
}
_REFUSED = {
    400: "GitLab refused it with 400: check that the branch or tag exists, that its"
    " .gitlab-ci.yml has jobs for triggered pipelines and declares these inputs, and"
    " that the project lets a trigger set variables",
    401: "GitLab does not take the trigger token: it is wrong or revoked",
    403: "GitLab forbids it: who made the trigger token may not start a pipeline on"
    " this branch",
    404: "GitLab answered 404: the project's number is wrong, or the token is no"
    " trigger token of this project",
    429: "GitLab's rate limit is used up",
}
