/* Tells a listener of Countersign that this transition was made, with a token that is
 * bound to the listener and to the body (HS256).
 *
 * NOT RUN: written for ScriptRunner on Jira Data Center 10 by its documentation, and
 * tried on no site. What it sends is what the sandbox's script sends, which is tested.
 *
 * Add it as the LAST post function of the transition ("Custom script post-function"),
 * after "Fire a ... event": Countersign asks Jira at once whether the issue moved.
 * Put the listener's secret, and nothing else, into the file SECRET_FILE names, below
 * Jira's shared home, readable by Jira's own user alone. It must not stand here: every
 * administrator can read a script, and so does every backup of the workflow.
 */
import com.atlassian.jira.component.ComponentAccessor
import com.atlassian.jira.config.util.JiraHome
import groovy.json.JsonOutput

import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.security.MessageDigest
import java.time.Duration
import javax.crypto.Mac
import javax.crypto.spec.SecretKeySpec

final String LISTENER = "https://countersign.example.com/listeners/..."
final String ISSUER = "jira.example.com"
final String SECRET_FILE = "countersign.secret"

def encoded = { byte[] data -> Base64.urlEncoder.withoutPadding().encodeToString(data) }

def token = { byte[] secret, byte[] body ->
    long now = System.currentTimeMillis().intdiv(1000)
    def claims = [
        iss        : ISSUER,
        aud        : LISTENER,
        iat        : now,
        exp        : now + 60,
        jti        : UUID.randomUUID().toString(),
        body_sha256: MessageDigest.getInstance("SHA-256").digest(body).encodeHex().toString(),
    ]
    def header = [alg: "HS256", typ: "JWT"]
    def signed = [header, claims].collect { encoded(JsonOutput.toJson(it).getBytes("UTF-8")) }.join(".")
    def mac = Mac.getInstance("HmacSHA256")
    mac.init(new SecretKeySpec(secret, "HmacSHA256"))
    return signed + "." + encoded(mac.doFinal(signed.getBytes("US-ASCII")))
}

try {
    def action = transientVars["descriptor"].getAction(transientVars["actionId"] as int)
    def before = transientVars["originalissueobject"]
    def user = ComponentAccessor.jiraAuthenticationContext.loggedInUser
    def body = JsonOutput.toJson([
        timestamp : System.currentTimeMillis(),
        user      : [name: user?.name, key: user?.key],
        issue     : [id: issue.id.toString(), key: issue.key],
        transition: [
            workflowName  : ComponentAccessor.workflowManager.getWorkflow(issue).name,
            transitionId  : action.id,
            transitionName: action.name,
            from_status   : before?.status?.name ?: "",
            to_status     : issue.status.name,
        ],
    ]).getBytes("UTF-8")
    def home = ComponentAccessor.getComponent(JiraHome).home
    def secret = new File(home, SECRET_FILE).getText("UTF-8").trim().getBytes("UTF-8")
    def request = HttpRequest.newBuilder(URI.create(LISTENER))
        .timeout(Duration.ofSeconds(10))
        .header("Content-Type", "application/json")
        .header("Authorization", "Bearer " + token(secret, body))
        .POST(HttpRequest.BodyPublishers.ofByteArray(body))
        .build()
    def client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build()
    int status = client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode()
    if (status != 204) {
        log.error("Countersign answered ${status} for ${issue.key}")
    }
} catch (Exception error) {
    // The transition is made whatever becomes of this: a hold's watchdog finds the issue.
    log.error("Countersign was not told of ${issue.key}: ${error.class.simpleName}")
}
