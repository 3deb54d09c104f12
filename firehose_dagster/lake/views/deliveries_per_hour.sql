-- Attempts to deliver spike webhooks, by hour and outcome.
SELECT
    date_trunc('hour', attempted_at) AS hour,
    outcome,
    count(*) AS attempts,
    count(DISTINCT spike_id) AS spikes,
    quantile_disc(duration_ms, 0.99) AS duration_p99_ms
FROM crypto.ops_deliveries
GROUP BY 1, 2
ORDER BY 1 DESC, 2
