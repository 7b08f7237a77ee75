-- rules: partitioned_by = ["dt date"]
-- rules: set = { dt = "2024-01-05" }
CREATE EXTERNAL TABLE t (id int) PARTITIONED BY (year integer, month integer) LOCATION 's3://x/'
