-- What maintenance did, newest first: expiry, orphans, compaction and the like, by table.
SELECT
    finished_at,
    split_part(kind, ':', 1) AS maintenance,
    split_part(kind, ':', 2) AS table_name,
    date_diff('millisecond', started_at, finished_at) AS duration_ms,
    detail
FROM crypto.ops_audit
WHERE kind <> 'micro_batch'
ORDER BY 1 DESC
