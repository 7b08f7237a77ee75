CREATE EXTERNAL TABLE t (a array<int, b string)
LOCATION 's3://x/'
