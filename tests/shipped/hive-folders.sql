CREATE EXTERNAL TABLE IF NOT EXISTS `orders` (
  `order_id` bigint,
  `customer` string,
  `amount` double
)
PARTITIONED BY (
  `country` string,
  `dt` date
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe'
WITH SERDEPROPERTIES (
  'field.delim' = ',',
  'serialization.format' = ','
)
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/orders/';
ALTER TABLE `orders` ADD IF NOT EXISTS
  PARTITION (`country` = 'Côte d\'Ivoire', `dt` = '2024-01-06') LOCATION 's3://example-athena/tables/orders/country=Côte d%27Ivoire/dt=2024-01-06/'
  PARTITION (`country` = '__HIVE_DEFAULT_PARTITION__', `dt` = '2024-01-06') LOCATION 's3://example-athena/tables/orders/country=__HIVE_DEFAULT_PARTITION__/dt=2024-01-06/'
  PARTITION (`country` = 'de', `dt` = '2024-01-05') LOCATION 's3://example-athena/tables/orders/country=de/dt=2024-01-05/'
  PARTITION (`country` = 'de', `dt` = '2024-01-06') LOCATION 's3://example-athena/tables/orders/country=de/dt=2024-01-06/'
  PARTITION (`country` = 'fr', `dt` = '2024-02-29') LOCATION 's3://example-athena/tables/orders/country=fr/dt=2024-02-29/';
