-- Rows in and out, minute by minute: what came from the topic, and where it went.
SELECT
    date_trunc('minute', finished_at) AS minute,
    count(*) AS batches,
    sum(rows_in) AS rows_in,
    sum(rows_out) AS rows_to_silver,
    sum(dq_fail) AS rows_quarantined,
    sum(duplicates) AS exact_duplicates,
    sum(late_rows) AS late_rows,
    sum(rows_in) - sum(rows_out) - sum(dq_fail) - sum(duplicates) AS rows_unaccounted_for
FROM crypto.ops_audit
WHERE kind = 'micro_batch'
GROUP BY 1
ORDER BY 1 DESC
