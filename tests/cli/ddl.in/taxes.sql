CREATE EXTERNAL TABLE sales.taxes (
  id     bigint,  -- kept
  amount double   COMMENT 'in euro'
)
STORED AS PARQUET
LOCATION 's3://old/place/'
