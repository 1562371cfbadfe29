"""What a rule can do: one file each. To drop one, delete its file and its line."""

from collections.abc import Mapping

from app.steps.add_comment import AddComment
from app.steps.add_label import AddLabel
from app.steps.assign_issue import AssignIssue
from app.steps.base import Step
from app.steps.create_issue import CreateIssue
from app.steps.deliver import Deliver
from app.steps.link_issue import LinkIssue
from app.steps.set_field import SetField
from app.steps.set_property import SetProperty
from app.steps.transition_issue import TransitionIssue

STEPS: Mapping[str, type[Step]] = {
    "add-comment": AddComment,
    "transition-issue": TransitionIssue,
    "set-field": SetField,
    "assign-issue": AssignIssue,
    "add-label": AddLabel,
    "create-issue": CreateIssue,
    "link-issue": LinkIssue,
    "set-property": SetProperty,
    "deliver": Deliver,
}
