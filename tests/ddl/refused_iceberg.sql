CREATE TABLE iceberg_table (
  id bigint,
  data string,
  category string)
PARTITIONED BY (category, bucket(16,id))
LOCATION 's3://amzn-s3-demo-bucket/iceberg-folder/'
TBLPROPERTIES (
  'table_type'='ICEBERG',
  'format'='parquet'
)
