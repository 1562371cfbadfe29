"""What holds for every kind of destination: the walk that docs/connectors.md names."""

from typing import Any, get_args

import pytest
from pydantic import SecretStr

from app.destinations import CONNECTORS, Connector
from app.web import controls

KINDS = pytest.mark.parametrize("connector", CONNECTORS.values(), ids=CONNECTORS)


@KINDS
def test_it_is_found_by_its_name_and_says_what_it_is(
    connector: Connector[Any, Any],
) -> None:
    assert CONNECTORS[connector.kind] is connector
    assert len(connector.kind) <= 32
    assert connector.title
    assert connector.about


@KINDS
def test_forms_can_be_drawn_and_explain_themselves(
    connector: Connector[Any, Any],
) -> None:
    for form in (connector.settings_form, connector.credentials_form):
        for control in controls.of(form, {}):
            assert control.label, control.key
            assert control.hint, control.key
            assert control.kind != "json", control.key


@KINDS
def test_t8_every_credential_is_write_only(connector: Connector[Any, Any]) -> None:
    for name, field in connector.credentials_form.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        assert SecretStr in kinds, name
    for control in controls.of(connector.credentials_form, {}):
        assert control.is_secret, control.key
        assert control.value == "", control.key


@KINDS
def test_t7_no_setting_is_a_template(connector: Connector[Any, Any]) -> None:
    for control in controls.of(connector.settings_form, {}):
        assert "{{" not in control.value, control.key
