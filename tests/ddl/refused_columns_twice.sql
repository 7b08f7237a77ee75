CREATE EXTERNAL TABLE t (a int, A string, `b` int, b int) STORED AS ORC STORED AS AVRO
