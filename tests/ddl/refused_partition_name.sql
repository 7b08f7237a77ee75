CREATE EXTERNAL TABLE t (a int)
PARTITIONED BY (`event-day` string, tags array<string>)
LOCATION 's3://x/'
