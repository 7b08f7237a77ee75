-- rules: partitioned_by = ["region string"]
-- rules: set = { region = "x" }
CREATE EXTERNAL TABLE t (a int, region string)
