CREATE EXTERNAL TABLE IF NOT EXISTS `guardduty_findings` (
  `schemaversion` string,
  `accountid` string,
  `region` string,
  `partition` string,
  `id` string,
  `arn` string,
  `type` string,
  `resource` string,
  `service` string,
  `severity` string,
  `createdat` string,
  `updatedat` string,
  `title` string,
  `description` string,
  `associatedattacksequencearn` string
)
PARTITIONED BY (
  `account` string,
  `aws_region` string,
  `dt` date
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/guardduty_findings/';
ALTER TABLE `guardduty_findings` ADD IF NOT EXISTS
  PARTITION (`account` = '000000000000', `aws_region` = 'me-south-1', `dt` = '2021-12-31') LOCATION 's3://example-athena/tables/guardduty_findings/account=000000000000/aws_region=me-south-1/dt=2021-12-31/'
  PARTITION (`account` = '111122223333', `aws_region` = 'ap-northeast-1', `dt` = '2024-01-01') LOCATION 's3://example-athena/tables/guardduty_findings/account=111122223333/aws_region=ap-northeast-1/dt=2024-01-01/'
  PARTITION (`account` = '111122223333', `aws_region` = 'us-gov-west-1', `dt` = '2024-02-29') LOCATION 's3://example-athena/tables/guardduty_findings/account=111122223333/aws_region=us-gov-west-1/dt=2024-02-29/'
  PARTITION (`account` = '123456789012', `aws_region` = 'us-east-1', `dt` = '2024-05-06') LOCATION 's3://example-athena/tables/guardduty_findings/account=123456789012/aws_region=us-east-1/dt=2024-05-06/';
