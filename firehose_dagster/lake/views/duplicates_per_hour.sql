-- Exact duplicates that were dropped and conflicts that were quarantined, by hour.
SELECT
    date_trunc('hour', finished_at) AS hour,
    sum(rows_in) AS rows_in,
    sum(duplicates) AS exact_duplicates,
    sum(conflicts) AS conflicts
FROM crypto.ops_audit
WHERE kind = 'micro_batch'
GROUP BY 1
ORDER BY 1 DESC
