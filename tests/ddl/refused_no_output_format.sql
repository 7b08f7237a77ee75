CREATE EXTERNAL TABLE t (a int)
STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
