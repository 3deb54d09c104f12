-- From a row's receipt to its commit in silver, by the largest of each batch, and how long batches took.
SELECT
    date_trunc('minute', finished_at) AS minute,
    count(*) AS batches,
    quantile_disc(max_lag_ms, 0.5) AS lag_p50_ms,
    quantile_disc(max_lag_ms, 0.99) AS lag_p99_ms,
    max(max_lag_ms) AS lag_max_ms,
    quantile_disc(date_diff('millisecond', started_at, finished_at), 0.5) AS batch_p50_ms,
    max(date_diff('millisecond', started_at, finished_at)) AS batch_max_ms
FROM crypto.ops_audit
WHERE kind = 'micro_batch'
GROUP BY 1
ORDER BY 1 DESC
