-- saved on Windows
CREATE EXTERNAL TABLE t (
  a int,
  b struct<x : int> -- odd ;
)
LOCATION 's3://x/ y/'
;
