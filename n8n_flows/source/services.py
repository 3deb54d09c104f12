"""The services that both flows call: where they are and how they are asked. All of it comes from n8n's environment."""

API_URL = "={{ $env.LAKE_API_URL || 'http://127.0.0.1:8000' }}"
API_HEADERS = {"Authorization": "={{ 'Bearer ' + ($env.FIREHOSE_API_TOKEN || 'none') }}"}
"""Without a token the API asks for none and reads none."""

LLM_URL = "={{ $env.LLM_BASE_URL }}/chat/completions"
LLM_HEADERS = {"Authorization": "={{ 'Bearer ' + ($env.LLM_API_KEY || 'none') }}"}
