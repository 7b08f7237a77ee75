-- rules: partitioned_by = ["region string"]
-- rules: set = { region = "x" }
CREATE EXTERNAL TABLE `default.taxes`(
  `id` bigint COMMENT 'it\'s; an id', 
  `m` map<string,array<struct<a:int,b:decimal(10,2)>>> COMMENT '')
COMMENT 'all of them'
PARTITIONED BY ( 
  `region` string COMMENT 'where; it is')
ROW FORMAT SERDE 
  'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe' 
WITH SERDEPROPERTIES ( 
  'collection.delim'='\u0002', 
  'escape.delim'='\\', 
  'field.delim'='\u0001', 
  'line.delim'='\n', 
  'mapkey.delim'='\u0003', 
  'serialization.format'='\u0001') 
STORED AS INPUTFORMAT 
  'org.apache.hadoop.mapred.TextInputFormat' 
OUTPUTFORMAT 
  'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION
  'hdfs://namenode:8020/user/hive/warehouse/taxes'
TBLPROPERTIES (
  'EXTERNAL'='FALSE', 
  'bucketing_version'='2', 
  'discover.partitions'='true', 
  'transient_lastDdlTime'='1700000000')
