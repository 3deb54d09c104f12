"""The services that both flows call: where they are and how they are asked. All of it comes from n8n's environment."""

from n8n_flows.source.nodes import Node, condition, request

API_URL = "={{ $env.LAKE_API_URL || 'http://127.0.0.1:8000' }}"
API_HEADERS = {"Authorization": "={{ 'Bearer ' + ($env.FIREHOSE_API_TOKEN || 'none') }}"}
"""Without a token the API asks for none and reads none."""

SLACK_URL = "={{ $env.SLACK_WEBHOOK_URL }}"

_LLM_URL = "={{ $env.LLM_BASE_URL }}/chat/completions"
_LLM_HEADERS = {"Authorization": "={{ 'Bearer ' + ($env.LLM_API_KEY || 'none') }}"}


def words_of_a_model(*, timeout_ms: int, column: int) -> tuple[Node, Node]:
    """Asks the language model where one is set, and goes on to `Compose` either way."""
    return (
        condition("Language model set?", "$json.llm", yes="Ask language model", no="Compose", column=column),
        request(
            "Ask language model",
            _LLM_URL,
            method="POST",
            body="JSON.stringify($json.prompt)",
            headers=_LLM_HEADERS,
            timeout_ms=timeout_ms,
            then="Compose",
            column=column + 1,
            row=1,
        ),
    )
