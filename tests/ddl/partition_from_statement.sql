-- rules: set = { year = 2024, m = 1 }
CREATE EXTERNAL TABLE t (id int) PARTITIONED BY (year int, `m` TINYINT COMMENT 'month') LOCATION 's3://x/'
