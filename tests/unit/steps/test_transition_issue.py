import pytest

from app.steps.base import Act, Looked, StepError
from app.steps.transition_issue import TransitionIssue
from tests.unit.steps.conftest import ISSUE, World

OFFERED = {
    "transitions": [
        {"id": "21", "name": "Deploy", "to": {"id": "5", "name": "Deployed"}},
        {"id": "31", "name": "Back", "to": {"id": "3", "name": "In Progress"}},
        {"id": "41", "name": "Fail", "to": {"id": "6", "name": "Failed"}},
        {"id": "42", "name": "fail", "to": {"id": "7", "name": "Failed hard"}},
    ]
}


@pytest.fixture(autouse=True)
def _offered(world: World) -> None:
    world.answer("GET", f"{ISSUE}/transitions", OFFERED)
    world.answer("GET", "/rest/api/3/myself", {"accountId": "countersign-bot"})


@pytest.mark.parametrize("named", ["Deploy", "deploy", "21"])
def test_plan_chooses_by_name_or_id_and_says_where_it_leads(
    world: World, named: str
) -> None:
    world.move(1, ("3", "In Progress"))

    planned = TransitionIssue(transition=named).plan(world.context)

    assert planned == Act(
        method="POST",
        path=f"{ISSUE}/transitions",
        body={"transition": {"id": "21"}},
        to_status="5",
        notes={"from_status": "3", "newest_change": "1"},
    )
    assert world.http.writes == []


def test_a_missing_transition_is_an_error_that_names_the_others(world: World) -> None:
    with pytest.raises(StepError, match=r"“Ship”.*“Deploy” \(21\), “Back” \(31\)"):
        TransitionIssue(transition="Ship").plan(world.context)


def test_an_ambiguous_name_is_an_error_that_names_the_ids(world: World) -> None:
    with pytest.raises(StepError, match="41, 42"):
        TransitionIssue(transition="FAIL").plan(world.context)


def test_no_transition_at_all_is_said_so(world: World) -> None:
    world.answer("GET", f"{ISSUE}/transitions", {"transitions": []})

    with pytest.raises(StepError, match="none at all"):
        TransitionIssue(transition="Ship").plan(world.context)


def test_nothing_is_left_to_do_where_the_issue_has_arrived(world: World) -> None:
    world.fields["status"] = {"id": "8", "name": "Done"}

    assert TransitionIssue(transition="done").plan(world.context) is None


@pytest.fixture
def act(world: World) -> Act:
    world.move(1, ("3", "In Progress"))
    planned = TransitionIssue(transition="Deploy").plan(world.context)
    assert planned is not None
    return planned


def look(world: World, act: Act) -> Looked:
    return TransitionIssue(transition="Deploy").look(world.context, act)


def test_look_sees_that_nothing_moved(world: World, act: Act) -> None:
    assert look(world, act) is Looked.NOT_DONE


def test_look_sees_the_status(world: World, act: Act) -> None:
    world.move(2, ("5", "Deployed"))

    assert look(world, act) is Looked.DONE


def test_look_sees_our_move_after_somebody_undid_it(world: World, act: Act) -> None:
    world.move(2, ("5", "Deployed"), by="countersign-bot")
    world.move(3, ("3", "In Progress"))

    assert look(world, act) is Looked.DONE


def test_look_takes_nobody_elses_move_for_ours(world: World, act: Act) -> None:
    world.move(2, ("5", "Deployed"), by="bob")
    world.move(3, ("3", "In Progress"))

    assert look(world, act) is Looked.NOT_DONE


def test_look_takes_no_move_from_before_the_act(world: World) -> None:
    world.move(1, ("5", "Deployed"), by="countersign-bot")
    world.move(2, ("3", "In Progress"))
    planned = TransitionIssue(transition="Deploy").plan(world.context)
    assert planned is not None

    assert look(world, planned) is Looked.NOT_DONE


def test_look_cannot_tell_of_a_transition_to_the_same_status(world: World) -> None:
    looped = TransitionIssue(transition="Back").plan(world.context)
    assert looped is not None

    assert look(world, looped) is Looked.UNDECIDED


def test_describe() -> None:
    described = TransitionIssue(transition="Deploy").describe()

    assert described == "move the issue by “Deploy”"
