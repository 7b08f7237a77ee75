CREATE EXTERNAL TABLE IF NOT EXISTS `vpc_flow_logs` (
  `version` int,
  `account_id` string,
  `interface_id` string,
  `srcaddr` string,
  `dstaddr` string,
  `srcport` int,
  `dstport` int,
  `protocol` int,
  `packets` bigint,
  `bytes` bigint,
  `start` bigint,
  `end` bigint,
  `action` string,
  `log_status` string,
  `vpc_id` string,
  `subnet_id` string,
  `instance_id` string,
  `tcp_flags` int,
  `type` string,
  `pkt_srcaddr` string,
  `pkt_dstaddr` string,
  `region` string,
  `az_id` string,
  `sublocation_type` string,
  `sublocation_id` string,
  `pkt_src_aws_service` string,
  `pkt_dst_aws_service` string,
  `flow_direction` string,
  `traffic_path` int,
  `ecs_cluster_arn` string,
  `ecs_cluster_name` string,
  `ecs_container_instance_arn` string,
  `ecs_container_instance_id` string,
  `ecs_container_id` string,
  `ecs_second_container_id` string,
  `ecs_service_name` string,
  `ecs_task_definition_arn` string,
  `ecs_task_arn` string,
  `ecs_task_id` string,
  `reject_reason` string,
  `resource_id` string,
  `encryption_status` string
)
PARTITIONED BY (
  `account` string,
  `aws_region` string,
  `dt` date,
  `hour` int
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe'
WITH SERDEPROPERTIES (
  'field.delim' = ' ',
  'serialization.format' = ' '
)
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/vpc_flow_logs/'
TBLPROPERTIES (
  'skip.header.line.count' = '1'
);
ALTER TABLE `vpc_flow_logs` ADD IF NOT EXISTS
  PARTITION (`account` = '012345678910', `aws_region` = 'eu-west-1', `dt` = '2023-02-14', `hour` = 7) LOCATION 's3://example-athena/tables/vpc_flow_logs/account=012345678910/aws_region=eu-west-1/dt=2023-02-14/hour=7/'
  PARTITION (`account` = '123456789012', `aws_region` = 'us-east-1', `dt` = '2018-06-20', `hour` = 16) LOCATION 's3://example-athena/tables/vpc_flow_logs/account=123456789012/aws_region=us-east-1/dt=2018-06-20/hour=16/'
  PARTITION (`account` = '123456789012', `aws_region` = 'us-east-1', `dt` = '2021-03-02', `hour` = 0) LOCATION 's3://example-athena/tables/vpc_flow_logs/account=123456789012/aws_region=us-east-1/dt=2021-03-02/hour=0/'
  PARTITION (`account` = '123456789012', `aws_region` = 'us-east-1', `dt` = '2021-03-02', `hour` = 23) LOCATION 's3://example-athena/tables/vpc_flow_logs/account=123456789012/aws_region=us-east-1/dt=2021-03-02/hour=23/';

CREATE EXTERNAL TABLE IF NOT EXISTS `vpc_flow_parquet` (
  `version` int,
  `account_id` string,
  `interface_id` string,
  `srcaddr` string,
  `dstaddr` string,
  `srcport` int,
  `dstport` int,
  `protocol` int,
  `packets` bigint,
  `bytes` bigint,
  `start` bigint,
  `end` bigint,
  `action` string,
  `log_status` string,
  `vpc_id` string,
  `subnet_id` string,
  `instance_id` string,
  `tcp_flags` int,
  `type` string,
  `pkt_srcaddr` string,
  `pkt_dstaddr` string,
  `region` string,
  `az_id` string,
  `sublocation_type` string,
  `sublocation_id` string,
  `pkt_src_aws_service` string,
  `pkt_dst_aws_service` string,
  `flow_direction` string,
  `traffic_path` int,
  `ecs_cluster_arn` string,
  `ecs_cluster_name` string,
  `ecs_container_instance_arn` string,
  `ecs_container_instance_id` string,
  `ecs_container_id` string,
  `ecs_second_container_id` string,
  `ecs_service_name` string,
  `ecs_task_definition_arn` string,
  `ecs_task_arn` string,
  `ecs_task_id` string,
  `reject_reason` string,
  `resource_id` string,
  `encryption_status` string
)
PARTITIONED BY (
  `account` string,
  `aws_region` string,
  `dt` date,
  `hour` int
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/vpc_flow_parquet/';
ALTER TABLE `vpc_flow_parquet` ADD IF NOT EXISTS
  PARTITION (`account` = '123456789012', `aws_region` = 'us-east-1', `dt` = '2022-10-28', `hour` = 11) LOCATION 's3://example-athena/tables/vpc_flow_parquet/account=123456789012/aws_region=us-east-1/dt=2022-10-28/hour=11/'
  PARTITION (`account` = '123456789012', `aws_region` = 'us-east-1', `dt` = '2024-01-05', `hour` = 13) LOCATION 's3://example-athena/tables/vpc_flow_parquet/account=123456789012/aws_region=us-east-1/dt=2024-01-05/hour=13/';
