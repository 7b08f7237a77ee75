-- rules: properties = { a = "new", c = 3 }
CREATE EXTERNAL TABLE t (id int) LOCATION 's3://x/' TBLPROPERTIES ('a' = 'old', 'b' = 'kept', 'spark.sql.sources.provider' = 'csv')
