#!/bin/sh
# Start n8n; at the first start of its volume, bring in and publish the flows.
set -eu
done_file=/home/node/.n8n/crypto-firehose-flows
if [ ! -f "$done_file" ]; then
    for flow in spike_explainer market_pulse; do
        n8n import:workflow --input="/flows/$flow.json"
    done
    for id in firehose-spike-explainer firehose-market-pulse; do
        n8n publish:workflow --id="$id"
    done
    touch "$done_file"
fi
exec n8n start
