-- rules: partitioned_by = ["region string"]
-- rules: set = { region = "x" }
CREATE EXTERNAL TABLE spark_catalog.sales.taxes (
  id BIGINT COMMENT 'an id',
  amount DECIMAL(10,2))
COMMENT 'made in Spark'
PARTITIONED BY (region STRING)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe'
WITH SERDEPROPERTIES (
  'field.delim' = ',',
  'serialization.format' = ',')
STORED AS
  INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
  OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://sales/taxes'
TBLPROPERTIES (
  'transient_lastDdlTime' = '1700000000')
