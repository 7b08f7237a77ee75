CREATE EXTERNAL TABLE IF NOT EXISTS `exports` (
  `id` string,
  `customer` string,
  `comment` string,
  `amount` string
)
PARTITIONED BY (
  `dt` date
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
WITH SERDEPROPERTIES (
  'separatorChar' = ',',
  'quoteChar' = '"',
  'escapeChar' = '\\'
)
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/exports/'
TBLPROPERTIES (
  'skip.header.line.count' = '1'
);
ALTER TABLE `exports` ADD IF NOT EXISTS
  PARTITION (`dt` = '2024-01-05') LOCATION 's3://example-athena/tables/exports/dt=2024-01-05/'
  PARTITION (`dt` = '2024-02-29') LOCATION 's3://example-athena/tables/exports/dt=2024-02-29/'
  PARTITION (`dt` = '2024-12-31') LOCATION 's3://example-athena/tables/exports/dt=2024-12-31/'
  PARTITION (`dt` = '2025-01-01') LOCATION 's3://example-athena/tables/exports/dt=2025-01-01/';
