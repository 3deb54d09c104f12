"""The flow *Market Pulse*: cron -> the read API -> words -> Slack and Telegram."""

from n8n_flows.source.nodes import Node, code, condition, request
from n8n_flows.source.services import API_HEADERS, API_URL, SLACK_URL, words_of_a_model

EVERY_HOUR = "0 * * * *"
_TELEGRAM_URL = (
    "={{ $env.TELEGRAM_API_URL || 'https://api.telegram.org' }}/bot{{ $env.TELEGRAM_BOT_TOKEN }}/sendMessage"
)

NODES: tuple[Node, ...] = (
    Node(
        "Every hour",
        "scheduleTrigger",
        1.2,
        {"rule": {"interval": [{"field": "cronExpression", "expression": EVERY_HOUR}]}},
        (("Pulse",),),
    ),
    request(
        "Pulse",
        f"{API_URL}/v1/pulse",
        query={
            "window_minutes": "={{ $env.PULSE_WINDOW_MINUTES || '60' }}",
            "symbols": "={{ $env.PULSE_SYMBOLS || '' }}",
        },
        headers=API_HEADERS,
        timeout_ms=10_000,
        tries=3,
        then="Facts",
        column=1,
    ),
    code("Facts", "narrative.js", "pulse_facts.js", then="Language model set?", column=2),
    *words_of_a_model(timeout_ms=30_000, column=3),
    code("Compose", "decimal_text.js", "narrative.js", "message.js", "compose_pulse.js", then="To Slack?", column=5),
    condition("To Slack?", "$json.to_slack", yes="Post to Slack", no="To Telegram?", column=6),
    request(
        "Post to Slack",
        SLACK_URL,
        method="POST",
        body="JSON.stringify($json.slack)",
        timeout_ms=10_000,
        tries=3,
        then="To Telegram?",
        column=7,
        row=1,
    ),
    condition("To Telegram?", "$('Compose').first().json.to_telegram", yes="Send by Telegram", no="Outcome", column=8),
    request(
        "Send by Telegram",
        _TELEGRAM_URL,
        method="POST",
        body="JSON.stringify($('Compose').first().json.telegram)",
        timeout_ms=10_000,
        tries=3,
        then="Outcome",
        column=9,
        row=1,
    ),
    code("Outcome", "pulse_outcome.js", then="", column=10),
)
