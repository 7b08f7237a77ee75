CREATE EXTERNAL TABLE IF NOT EXISTS `stocks` (
  `ticker_symbol` string,
  `sector` string,
  `change` double,
  `price` double
)
PARTITIONED BY (
  `dt` date,
  `hour` int
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/stocks/';
ALTER TABLE `stocks` ADD IF NOT EXISTS
  PARTITION (`dt` = '2024-01-05', `hour` = 13) LOCATION 's3://example-athena/tables/stocks/dt=2024-01-05/hour=13/'
  PARTITION (`dt` = '2024-02-29', `hour` = 0) LOCATION 's3://example-athena/tables/stocks/dt=2024-02-29/hour=0/';

CREATE EXTERNAL TABLE IF NOT EXISTS `stocks_by_sector` (
  `ticker_symbol` string,
  `sector` string,
  `change` double,
  `price` double
)
PARTITIONED BY (
  `sector_key` string,
  `dt` date,
  `hour` int
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/stocks_by_sector/';
ALTER TABLE `stocks_by_sector` ADD IF NOT EXISTS
  PARTITION (`sector_key` = 'FINANCIAL', `dt` = '2024-01-05', `hour` = 7) LOCATION 's3://example-athena/tables/stocks_by_sector/sector_key=FINANCIAL/dt=2024-01-05/hour=7/'
  PARTITION (`sector_key` = 'HEALTHCARE', `dt` = '2024-01-05', `hour` = 13) LOCATION 's3://example-athena/tables/stocks_by_sector/sector_key=HEALTHCARE/dt=2024-01-05/hour=13/';
