-- rules: partitioned_by = ["date date"]
-- rules: set = { date = "2024-01-05" }
CREATE EXTERNAL TABLE IF NOT EXISTS `vpc_flow_logs` (
  version int,
  account_id string,
  interface_id string,
  srcport int,
  `start` bigint,
  `end` bigint,
  action string
)
PARTITIONED BY (`date` date)
ROW FORMAT DELIMITED
FIELDS TERMINATED BY ' '
LOCATION 's3://amzn-s3-demo-bucket/prefix/AWSLogs/1/vpcflowlogs/us-east-1/'
TBLPROPERTIES ("skip.header.line.count"="1");
