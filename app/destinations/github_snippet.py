"""The workflow that GitHub is to have: started by us, named by us, answering us."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from app.destinations import inputs
from app.destinations.attempting import Form
from app.destinations.snippets import Snippet

_WORKFLOW = """\
name: Deploy
# The run bears our delivery's id, so that Countersign finds it again.
run-name: Deploy (${{ @DELIVERY@ }})

on:
@ON@
permissions:
  contents: read
  id-token: write

jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      # Inputs go into a script by its environment, never into its text.
      - name: Deploy
@ENV@        run: echo "Deploy here"
"""

_ANSWER = """\
      # The build answers with an identity of its own: nobody keeps a secret.
      - name: Tell Countersign how it ended
        if: always() && @OURS@
        env:
          RESULT: ${{ job.status == 'success' && 'succeeded' || 'failed' }}
          PLACE: ${{ github.server_url }}/${{ github.repository }}/actions/runs
          RUN: ${{ github.run_id }}
        run: |
          # Read from the event's file: what stands in `env` is printed into the log.
          ours=$(jq -r '@READ@' "$GITHUB_EVENT_PATH")
          echo "::add-mask::$(jq -r .answer_key <<<"$ours")"
          token=$(curl -sSf "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=@AUDIENCE@" \\
            -H "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" | jq -r .value)
          jq -n --argjson ours "$ours" --arg result "$RESULT" \\
            --arg url "$PLACE/$RUN" '{run: $ours.run, answer_key: $ours.answer_key,
              result: $result, message: "", url: $url}' |
            curl -sSf --retry 5 -X POST "@LISTENER@" --data-binary @- \\
              -H "Authorization: Bearer $token" -H "Content-Type: application/json"
"""

_READ_INPUT = ".inputs.countersign"
_READ_EVENT = ".client_payload.countersign"

_DISPATCH = """\
  workflow_dispatch:
    inputs:
      countersign:
        description: Set by Countersign
        type: string
"""

_EVENT = """\
  repository_dispatch:
    types: [@TYPE@]
"""


def workflow(
    name: str, declared: type[Form], *, answer_to: str, event_type: str = ""
) -> Snippet:
    """Return the file `name`, for a dispatch of it or for an event of the repository.

    `answer_to` is the listener's URL: it stands in the file, as whoever could change it
    in an input would get the token.
    """
    ours = "github.event.client_payload.countersign" if event_type else ""
    schema = declared.model_json_schema()
    if event_type:
        on = _EVENT.replace("@TYPE@", event_type)
        read = f"{ours}.inputs"
    else:
        on = _DISPATCH + "".join(
            _input(key, each, is_required=key in schema.get("required", ()))
            for key, each in schema.get("properties", {}).items()
        )
        read = "inputs"
    text = _WORKFLOW.replace("@ON@", f"{on}\n").replace("@ENV@", _env(declared, read))
    text = text.replace(
        "@DELIVERY@",
        f"{ours}.delivery"
        if event_type
        else "fromJSON(inputs.countersign || '{}').delivery",
    )
    if answer_to:
        text += (
            _ANSWER.replace("@OURS@", ours or "inputs.countersign != ''")
            .replace("@READ@", _READ_EVENT if event_type else _READ_INPUT)
            .replace("@AUDIENCE@", quote(answer_to, safe=""))
            .replace("@LISTENER@", answer_to)
        )
    return Snippet(f".github/workflows/{name}", text)


def _env(declared: type[Form], read: str) -> str:
    lines = [
        f"          {inputs.variable(name)}: ${{{{ {read}['{name}'] }}}}\n"
        for name in inputs.names(declared)
    ]
    return "".join(["        env:\n", *lines]) if lines else ""


def _input(name: str, described: Mapping[str, Any], *, is_required: bool) -> str:
    choices = described.get("enum")
    kind = "choice" if choices else "string"
    options = f"        options: {json.dumps(choices)}\n" if choices else ""
    # A choice that is not required needs an empty one, or the first would be taken.
    if choices and not is_required:
        options = f"        options: {json.dumps(['', *choices])}\n"
    return (
        f"      {name}:\n"
        f"        type: {kind}\n"
        f"        required: {str(is_required).lower()}\n"
        f"{options}"
    )
