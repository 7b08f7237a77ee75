CREATE EXTERNAL TABLE t (
  é bigint,
  b strng,
  c int
)
