-- Data files, rows and bytes of each table, and its fullest partition: what compaction keeps low.
SELECT
    table_name,
    count(*) AS partitions,
    sum(files) AS files,
    max(files) AS most_files_in_a_partition,
    sum(rows) AS rows,
    sum(bytes) AS bytes,
    sum(bytes) // sum(files) AS mean_file_bytes
FROM lake_files
GROUP BY 1
ORDER BY 1
