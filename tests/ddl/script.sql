-- A script as people keep them; only the table is read.
SET hive.exec.dynamic.partition = true;
CREATE DATABASE IF NOT EXISTS sales COMMENT 'a; b';
USE sales;
DROP TABLE IF EXISTS taxes;

/* the table;
   of taxes */
CREATE EXTERNAL TABLE taxes ( -- ours
  id integer, -- a; semicolon
  amount real /* not; double */
)
STORED AS PARQUET
LOCATION 's3://x/';

MSCK REPAIR TABLE taxes;
ALTER TABLE taxes ADD PARTITION (dt = '2024-01-05') LOCATION 's3://x/2024/';
SELECT count(*) FROM taxes;
