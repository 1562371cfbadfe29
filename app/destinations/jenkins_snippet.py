"""The Jenkinsfile of a job that Countersign starts.

Groovy leaves a text in three single quotes as it is, as long as there is no backslash
in it: so the script for the shell has none, and what an input says is never a part of
it. Jenkins makes no token of its own, so the answer's is signed with a secret that a
listener keeps with us.

Source: Jenkins' "Pipeline Syntax"; the README of "Generic Webhook Trigger"; RFC 7515.
"""

from collections.abc import Iterator, Sequence

from app.destinations.inputs import Declaration


def pipeline(
    declared: Sequence[Declaration], *, is_triggered: bool, answer_to: str
) -> str:
    """Return the whole file; without a listener, without the part that answers."""
    lines = ["pipeline {", "  agent any", "  parameters {"]
    lines += [f"    {_parameter(each)}" for each in declared]
    lines += ["    string(name: 'COUNTERSIGN', defaultValue: '')", "  }"]
    lines += _trigger(declared) if is_triggered else ()
    lines += _stages(declared)
    if answer_to:
        lines += [*_POST, "}", "", *_answer(answer_to)]
    else:
        lines += ["}"]
    return "\n".join(lines) + "\n"


def _parameter(declared: Declaration) -> str:
    name = f"name: '{declared.name}'"
    match declared.kind:
        case "choice":
            empty = [] if declared.is_required else [""]
            options = ", ".join(f"'{each}'" for each in (*empty, *declared.choices))
            return f"choice({name}, choices: [{options}])"
        case "yes-no":
            return f"booleanParam({name}, defaultValue: false)"
        case "text":
            return f"text({name}, defaultValue: '')"
        case _:
            return f"string({name}, defaultValue: '')"


def _trigger(declared: Sequence[Declaration]) -> Iterator[str]:
    yield "  triggers {"
    yield "    GenericTrigger("
    yield "      // A credential, “Secret text”: the token of this destination."
    yield "      tokenCredentialId: 'countersign-trigger',"
    yield "      genericVariables: ["
    for each in declared:
        yield f"        [key: '{each.name}', value: '$.inputs[\"{each.name}\"]'],"
    yield "        [key: 'COUNTERSIGN', value: '$.COUNTERSIGN'],"
    yield "      ],"
    yield "      printPostContent: false,"
    yield "      printContributedVariables: false,"
    yield "      silentResponse: false"
    yield "    )"
    yield "  }"


def _stages(declared: Sequence[Declaration]) -> Iterator[str]:
    yield "  stages {"
    yield "    stage('Deploy') {"
    yield "      steps {"
    if declared:
        yield "        withEnv(["
        for each in declared:
            yield f"          \"{each.variable}=${{params['{each.name}']}}\","
        yield "        ]) {"
        yield "          // In single quotes, so that the shell reads the inputs, and"
        yield "          // not Groovy: an input must not become a command."
        quoted = "".join(f' "${each.variable}"' for each in declared)
        yield f"          sh './deploy.sh{quoted}'"
        yield "        }"
    else:
        yield "        sh './deploy.sh'"
    yield "      }"
    yield "    }"
    yield "  }"


_POST = """\
  post {
    success { script { tellCountersign('succeeded') } }
    unsuccessful { script { tellCountersign('failed') } }
  }""".splitlines()


def _answer(answer_to: str) -> Iterator[str]:
    yield from _TELL
    for line in script(answer_to).splitlines():
        yield f"        {line}".rstrip()
    yield from ("      '''", "    }", "  }", "}")


_TELL = """\
// Needs a listener with a secret in Countersign, whose issuer is “jenkins”; that secret
// in Jenkins, as a credential “countersign-listener” of the kind “Secret text”; and on
// the agent bash, openssl and curl.
void tellCountersign(String result) {
  if (!(params.COUNTERSIGN ?: '').contains('answer_key')) {
    return
  }
  withCredentials([string(credentialsId: 'countersign-listener', variable: 'SECRET')]) {
    withEnv(["RESULT=${result}"]) {
      sh '''#!/usr/bin/env bash""".splitlines()


def script(answer_to: str) -> str:
    """Return what the shell runs: it signs one answer, and sends it."""
    return _SCRIPT.replace("ANSWER_TO", answer_to)


_SCRIPT = """\
set -euo pipefail
# The address stands here, and is not taken from the parameter: who may start this
# job could have the answer sent elsewhere.
to='ANSWER_TO'
member() {
  grep -oE '"'"$1"'": *"[A-Za-z0-9_-]+"' <<<"$COUNTERSIGN" | cut -d'"' -f4
}
base64url() {
  openssl base64 -A | tr '+/' '-_' | tr -d '='
}
url=null
[[ ${BUILD_URL:-} != https://* ]] || url='"'$BUILD_URL'"'
said='{"run":"%s","answer_key":"%s","result":"%s","message":"%s","url":%s}'
message="Build $BUILD_NUMBER $RESULT"
run=$(member run)
key=$(member answer_key)
body=$(printf "$said" "$run" "$key" "$RESULT" "$message" "$url")
hash=$(printf '%s' "$body" | openssl dgst -sha256 -r | cut -c1-64)

claimed='{"iss":"jenkins","aud":"%s","jti":"%s","iat":%s,"exp":%s,"body_sha256":"%s"}'
now=$(date +%s)
jti=$(openssl rand -hex 16)
header=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
claims=$(printf "$claimed" "$to" "$jti" "$now" "$((now + 300))" "$hash" | base64url)
signature=$(printf '%s' "$header.$claims" |
  openssl dgst -sha256 -hmac "$SECRET" -binary | base64url)

call=(curl --fail --silent --show-error --retry 5 --request POST "$to")
call+=(--header "Authorization: Bearer $header.$claims.$signature")
call+=(--header 'Content-Type: application/json' --data-binary "$body")
"${call[@]}"
"""
