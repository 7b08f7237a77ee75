CREATE EXTERNAL TABLE IF NOT EXISTS `pageviews` (
  `viewtime` bigint,
  `userid` string,
  `pageid` string
)
PARTITIONED BY (
  `kafka_partition` int
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/pageviews/';
ALTER TABLE `pageviews` ADD IF NOT EXISTS
  PARTITION (`kafka_partition` = 0) LOCATION 's3://example-athena/tables/pageviews/kafka_partition=0/'
  PARTITION (`kafka_partition` = 12) LOCATION 's3://example-athena/tables/pageviews/kafka_partition=12/';

CREATE EXTERNAL TABLE IF NOT EXISTS `pageviews_by_hour` (
  `viewtime` bigint,
  `userid` string,
  `pageid` string
)
PARTITIONED BY (
  `dt` date,
  `hour` int
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/pageviews_by_hour/';
ALTER TABLE `pageviews_by_hour` ADD IF NOT EXISTS
  PARTITION (`dt` = '2024-02-29', `hour` = 0) LOCATION 's3://example-athena/tables/pageviews_by_hour/dt=2024-02-29/hour=0/'
  PARTITION (`dt` = '2024-12-31', `hour` = 23) LOCATION 's3://example-athena/tables/pageviews_by_hour/dt=2024-12-31/hour=23/';
