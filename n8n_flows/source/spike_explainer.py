"""The flow *Spike Explainer*: a signed webhook -> context -> words -> Slack and Jira -> acknowledged.

The sender is answered after the message is posted: its outbox is the queue, keeps a symbol's spikes in order, and sends
again what died here. Events in a data table make that repeat harmless.
"""

from n8n_flows.source.nodes import Node, code, condition, forget, memory_table, recall, remember, request, respond
from n8n_flows.source.services import API_HEADERS, API_URL, SLACK_URL, words_of_a_model

WEBHOOK_PATH = "crypto-spike"
_WEBHOOK_ID = "$('Verify signature').first().json.webhook_id"
_CLAIM = "$('Claim').first().json.id"
_IS_2XX = "$json.statusCode >= 200 && $json.statusCode < 300"
_SPIKE_URL = f"{API_URL}/v1/spikes/{{{{ {_WEBHOOK_ID} }}}}"
_REMEMBERED_DAYS = 7

_JIRA_LOGIN = "($env.JIRA_EMAIL + ':' + $env.JIRA_API_TOKEN).base64Encode()"

_RECEIVE: tuple[Node, ...] = (
    Node(
        "Spike webhook",
        "webhook",
        2.1,
        {"httpMethod": "POST", "path": WEBHOOK_PATH, "responseMode": "responseNode", "options": {"rawBody": True}},
        (("Verify signature",),),
        {"webhookId": "5f0a3f0e-6a0b-5c86-9c56-0a2f1f6f3f0e"},
    ),
    code("Verify signature", "verify_signature.js", then="Genuine?", column=1),
    condition("Genuine?", "$json.genuine", yes="Memory", no="Refuse", column=2),
    respond("Refuse", "$json.status", "{ error: $json.error }", column=3, row=1),
)

_ONCE: tuple[Node, ...] = (
    memory_table("Memory", then="Claim", column=3),
    remember("Claim", "claim", _WEBHOOK_ID, then="Recall", column=4),
    recall("Recall", _WEBHOOK_ID, then="Decide", column=5),
    code("Decide", "decide.js", then="Ours?", column=6),
    condition("Ours?", "$json.decision === 'process'", yes="Context", no="Give the claim back", column=7),
    forget("Give the claim back", "id", "eq", _CLAIM, then="Answer repeat", column=8, row=1),
    respond(
        "Answer repeat",
        "$('Decide').first().json.decision === 'repeated' ? 200 : 503",
        "{ status: $('Decide').first().json.decision }",
        column=9,
        row=1,
    ),
)

_EXPLAIN: tuple[Node, ...] = (
    request("Context", _SPIKE_URL, query={"context_minutes": "10"}, headers=API_HEADERS, then="Facts", column=8),
    code("Facts", "narrative.js", "spike_facts.js", then="Language model set?", column=9),
    *words_of_a_model(timeout_ms=8_000, column=10),
    code("Compose", "decimal_text.js", "narrative.js", "message.js", "compose_spike.js", then="Slack due?", column=12),
)

_POST: tuple[Node, ...] = (
    condition("Slack due?", "$json.due.includes('slack')", yes="Post to Slack", no="Jira due?", column=13),
    request(
        "Post to Slack",
        SLACK_URL,
        method="POST",
        body="JSON.stringify($json.slack)",
        then="Slack took it?",
        column=14,
        row=1,
    ),
    condition("Slack took it?", _IS_2XX, yes="Remember Slack", no="Jira due?", column=15, row=1),
    remember("Remember Slack", "slack", _WEBHOOK_ID, then="Jira due?", column=16, row=1),
    condition(
        "Jira due?", "$('Compose').first().json.due.includes('jira')", yes="Open in Jira", no="Outcome", column=17
    ),
    request(
        "Open in Jira",
        "={{ $env.JIRA_URL }}/rest/api/3/issue",
        method="POST",
        body="JSON.stringify($('Compose').first().json.jira)",
        headers={"Authorization": f"=Basic {{{{ {_JIRA_LOGIN} }}}}"},
        then="Jira took it?",
        column=18,
        row=1,
    ),
    condition("Jira took it?", _IS_2XX, yes="Remember Jira", no="Outcome", column=19, row=1),
    remember("Remember Jira", "jira", _WEBHOOK_ID, then="Outcome", column=20, row=1),
)

_ANSWER: tuple[Node, ...] = (
    code("Outcome", "spike_outcome.js", then="Processed?", column=21),
    condition("Processed?", "$json.processed", yes="Remember done", no="Release the claim", column=22),
    forget("Release the claim", "id", "eq", _CLAIM, then="Ask to come again", column=23, row=1),
    respond("Ask to come again", "502", "{ error: $('Outcome').first().json.error }", column=24, row=1),
    remember("Remember done", "done", _WEBHOOK_ID, then="Answer processed", column=23),
    respond("Answer processed", "200", "{ status: 'processed' }", then="Acknowledge", column=24),
    request(
        "Acknowledge",
        f"{_SPIKE_URL}/acknowledgements",
        method="POST",
        body="JSON.stringify({ acknowledged_by: 'n8n spike explainer', detail: $('Outcome').first().json.detail })",
        headers=API_HEADERS,
        tries=3,
        then="Forget old",
        column=25,
    ),
    forget("Forget old", "at", "lt", f"Date.now() - {_REMEMBERED_DAYS * 86_400_000}", then="", column=26),
)

NODES: tuple[Node, ...] = (*_RECEIVE, *_ONCE, *_EXPLAIN, *_POST, *_ANSWER)
