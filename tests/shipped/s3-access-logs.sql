CREATE EXTERNAL TABLE IF NOT EXISTS `s3_access_logs_flat` (
  `bucketowner` string,
  `bucket_name` string,
  `requestdatetime` string,
  `remoteip` string,
  `requester` string,
  `requestid` string,
  `operation` string,
  `key` string,
  `request_uri` string,
  `httpstatus` string,
  `errorcode` string,
  `bytessent` bigint,
  `objectsize` bigint,
  `totaltime` string,
  `turnaroundtime` string,
  `referrer` string,
  `useragent` string,
  `versionid` string,
  `hostid` string,
  `sigv` string,
  `ciphersuite` string,
  `authtype` string,
  `endpoint` string,
  `tlsversion` string,
  `accesspointarn` string,
  `aclrequired` string,
  `sourceregion` string
)
PARTITIONED BY (
  `dt` date
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe'
WITH SERDEPROPERTIES (
  'input.regex' = '([^ ]*) ([^ ]*) \\[(.*?)\\] ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ("[^"]*"|-) (-|[0-9]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ("[^"]*"|-) ("[^"]*"|-) ([^ ]*)(?: ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*)(?: ([^ ]*)(?: ([^ ]*)(?: ([^ ]*)(?: .*)?)?)?)?)?'
)
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/s3_access_logs_flat/';
ALTER TABLE `s3_access_logs_flat` ADD IF NOT EXISTS
  PARTITION (`dt` = '2013-11-01') LOCATION 's3://example-athena/tables/s3_access_logs_flat/dt=2013-11-01/'
  PARTITION (`dt` = '2024-02-29') LOCATION 's3://example-athena/tables/s3_access_logs_flat/dt=2024-02-29/';

CREATE EXTERNAL TABLE IF NOT EXISTS `s3_access_logs` (
  `bucketowner` string,
  `bucket_name` string,
  `requestdatetime` string,
  `remoteip` string,
  `requester` string,
  `requestid` string,
  `operation` string,
  `key` string,
  `request_uri` string,
  `httpstatus` string,
  `errorcode` string,
  `bytessent` bigint,
  `objectsize` bigint,
  `totaltime` string,
  `turnaroundtime` string,
  `referrer` string,
  `useragent` string,
  `versionid` string,
  `hostid` string,
  `sigv` string,
  `ciphersuite` string,
  `authtype` string,
  `endpoint` string,
  `tlsversion` string,
  `accesspointarn` string,
  `aclrequired` string,
  `sourceregion` string
)
PARTITIONED BY (
  `account` string,
  `region` string,
  `source_bucket` string,
  `dt` date
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe'
WITH SERDEPROPERTIES (
  'input.regex' = '([^ ]*) ([^ ]*) \\[(.*?)\\] ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ("[^"]*"|-) (-|[0-9]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ("[^"]*"|-) ("[^"]*"|-) ([^ ]*)(?: ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*)(?: ([^ ]*)(?: ([^ ]*)(?: ([^ ]*)(?: .*)?)?)?)?)?'
)
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/s3_access_logs/';
ALTER TABLE `s3_access_logs` ADD IF NOT EXISTS
  PARTITION (`account` = '111122223333', `region` = 'eu-central-1', `source_bucket` = 'my.dotted.bucket', `dt` = '2024-12-31') LOCATION 's3://example-athena/tables/s3_access_logs/account=111122223333/region=eu-central-1/source_bucket=my.dotted.bucket/dt=2024-12-31/'
  PARTITION (`account` = '123456789012', `region` = 'us-west-2', `source_bucket` = 'amzn-s3-demo-source-bucket', `dt` = '2023-03-01') LOCATION 's3://example-athena/tables/s3_access_logs/account=123456789012/region=us-west-2/source_bucket=amzn-s3-demo-source-bucket/dt=2023-03-01/'
  PARTITION (`account` = '123456789012', `region` = 'us-west-2', `source_bucket` = 'amzn-s3-demo-source-bucket', `dt` = '2023-03-02') LOCATION 's3://example-athena/tables/s3_access_logs/account=123456789012/region=us-west-2/source_bucket=amzn-s3-demo-source-bucket/dt=2023-03-02/';
