CREATE EXTERNAL TABLE IF NOT EXISTS `alb_access_logs` (
  `type` string,
  `time` string,
  `elb` string,
  `client_ip` string,
  `client_port` int,
  `target_ip` string,
  `target_port` int,
  `request_processing_time` double,
  `target_processing_time` double,
  `response_processing_time` double,
  `elb_status_code` int,
  `target_status_code` string,
  `received_bytes` bigint,
  `sent_bytes` bigint,
  `request_verb` string,
  `request_url` string,
  `request_proto` string,
  `user_agent` string,
  `ssl_cipher` string,
  `ssl_protocol` string,
  `target_group_arn` string,
  `trace_id` string,
  `domain_name` string,
  `chosen_cert_arn` string,
  `matched_rule_priority` string,
  `request_creation_time` string,
  `actions_executed` string,
  `redirect_url` string,
  `lambda_error_reason` string,
  `target_port_list` string,
  `target_status_code_list` string,
  `classification` string,
  `classification_reason` string,
  `conn_trace_id` string,
  `transformed_host` string,
  `transformed_uri` string,
  `request_transform_status` string
)
PARTITIONED BY (
  `account` string,
  `region` string,
  `dt` date
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe'
WITH SERDEPROPERTIES (
  'input.regex' = '([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*):([0-9]*) (?:([^ ]*):([0-9]*)|-) ([-.0-9]*) ([-.0-9]*) ([-.0-9]*) ([-0-9]*) ([-0-9]*) ([-0-9]*) ([-0-9]*) "([^ ]*) (.*?) ([^ "]* ?)" "([^"\\\\]*(?:\\\\.[^"\\\\]*)*)" ([^ ]*) ([^ ]*) ([^ ]*) "([^"]*)" "([^"]*)" "([^"]*)" ([-.0-9]*) ([^ ]*) "([^"]*)"(?: "([^"]*)"(?: "([^"]*)"(?: "([^"]*)" "([^"]*)"(?: "([^"]*)" "([^"]*)"(?: ([^ ]*)(?: "([^"]*)" "([^"]*)" "([^"]*)"(?: .*)?)?)?)?)?)?)? ?'
)
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/alb_access_logs/';
ALTER TABLE `alb_access_logs` ADD IF NOT EXISTS
  PARTITION (`account` = '012345678910', `region` = 'ap-southeast-2', `dt` = '2024-02-29') LOCATION 's3://example-athena/tables/alb_access_logs/account=012345678910/region=ap-southeast-2/dt=2024-02-29/'
  PARTITION (`account` = '012345678910', `region` = 'us-east-1', `dt` = '2022-07-21') LOCATION 's3://example-athena/tables/alb_access_logs/account=012345678910/region=us-east-1/dt=2022-07-21/'
  PARTITION (`account` = '123456789012', `region` = 'us-east-2', `dt` = '2022-05-01') LOCATION 's3://example-athena/tables/alb_access_logs/account=123456789012/region=us-east-2/dt=2022-05-01/';

CREATE EXTERNAL TABLE IF NOT EXISTS `alb_connection_logs` (
  `time` string,
  `client_ip` string,
  `client_port` int,
  `listener_port` int,
  `tls_protocol` string,
  `tls_cipher` string,
  `tls_handshake_latency` double,
  `leaf_client_cert_subject` string,
  `leaf_client_cert_validity` string,
  `leaf_client_cert_serial_number` string,
  `tls_verify_status` string,
  `conn_trace_id` string
)
PARTITIONED BY (
  `account` string,
  `region` string,
  `dt` date
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe'
WITH SERDEPROPERTIES (
  'input.regex' = '([^ ]*) ([^ ]*) ([0-9]*) ([0-9]*) ([^ ]*) ([^ ]*) ([-.0-9]*) "([^"\\\\]*(?:\\\\.[^"\\\\]*)*)" ([^ ]*) ([^ ]*) ([^ ]*)(?: ([^ ]*)(?: .*)?)?'
)
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/alb_connection_logs/';
ALTER TABLE `alb_connection_logs` ADD IF NOT EXISTS
  PARTITION (`account` = '012345678910', `region` = 'us-east-1', `dt` = '2024-07-21') LOCATION 's3://example-athena/tables/alb_connection_logs/account=012345678910/region=us-east-1/dt=2024-07-21/'
  PARTITION (`account` = '123456789012', `region` = 'us-east-2', `dt` = '2023-10-04') LOCATION 's3://example-athena/tables/alb_connection_logs/account=123456789012/region=us-east-2/dt=2023-10-04/';
