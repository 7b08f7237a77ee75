CREATE EXTERNAL TABLE t (
  a int,
  b int,
)
