CREATE TABLE t
WITH (format = 'PARQUET', external_location = 's3://x/')
AS SELECT * FROM u
