-- Rows that broke each data-quality rule, by hour; a row may break several.
WITH broken AS (
    SELECT date_trunc('hour', finished_at) AS hour, unnest(map_entries(dq_fail_by_rule)) AS entry
    FROM crypto.ops_audit
    WHERE kind = 'micro_batch'
)

SELECT hour, entry.key AS rule, sum(entry.value) AS rows
FROM broken
GROUP BY 1, 2
ORDER BY 1 DESC, 3 DESC, 2
