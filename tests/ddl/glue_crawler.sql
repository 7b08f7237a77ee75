-- rules: partitioned_by = ["partition_0 string"]
-- rules: set = { partition_0 = "x" }
CREATE EXTERNAL TABLE `default`.`events`(
  `id` bigint COMMENT 'from deserializer', 
  `payload` struct<user-agent:string,ip:string,tags:array<struct<key:string,value:string>>> COMMENT 'from deserializer', 
  `2nd` int COMMENT 'from deserializer')
PARTITIONED BY ( 
  `partition_0` string)
ROW FORMAT SERDE 
  'org.openx.data.jsonserde.JsonSerDe' 
WITH SERDEPROPERTIES ( 
  'paths'='id,payload,2nd') 
STORED AS INPUTFORMAT 
  'org.apache.hadoop.mapred.TextInputFormat' 
OUTPUTFORMAT 
  'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION
  's3://acme-events/raw/'
TBLPROPERTIES (
  'CrawlerSchemaDeserializerVersion'='1.0', 
  'CrawlerSchemaSerializerVersion'='1.0', 
  'UPDATED_BY_CRAWLER'='events', 
  'averageRecordSize'='512', 
  'classification'='json', 
  'compressionType'='none', 
  'objectCount'='3', 
  'recordCount'='99', 
  'sizeKey'='50688', 
  'typeOfData'='file')
