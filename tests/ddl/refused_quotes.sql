CREATE EXTERNAL TABLE t (a int) TBLPROPERTIES (skip.header.line.count = '1')
