-- rules: partitioned_by = ["region string", "dt date  the day"]
-- rules: set = { region = "x", dt = "2024-01-05" }
CREATE EXTERNAL TABLE t (id int)
PARTITIONED BY (Region STRING COMMENT 'where', DT date COMMENT 'the day') -- as the rules say
STORED AS ORC
