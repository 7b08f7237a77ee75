CREATE EXTERNAL TABLE IF NOT EXISTS `nlb_tls_logs` (
  `type` string,
  `version` string,
  `time` string,
  `elb` string,
  `listener_id` string,
  `client_ip` string,
  `client_port` int,
  `target_ip` string,
  `target_port` int,
  `tcp_connection_time_ms` double,
  `tls_handshake_time_ms` double,
  `received_bytes` bigint,
  `sent_bytes` bigint,
  `incoming_tls_alert` int,
  `cert_arn` string,
  `certificate_serial` string,
  `tls_cipher_suite` string,
  `tls_protocol_version` string,
  `tls_named_group` string,
  `domain_name` string,
  `alpn_fe_protocol` string,
  `alpn_be_protocol` string,
  `alpn_client_preference_list` string,
  `tls_connection_creation_time` string
)
PARTITIONED BY (
  `account` string,
  `region` string,
  `dt` date
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe'
WITH SERDEPROPERTIES (
  'input.regex' = '([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*):([0-9]*) (?:([^ ]*):([0-9]*)|-) ([-.0-9]*) ([-.0-9]*) ([-0-9]*) ([-0-9]*) ([-0-9]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*)(?: ([^ ]*) ([^ ]*) ([^ ]*)(?: ([^ ]*)(?: .*)?)?)? ?'
)
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/nlb_tls_logs/';
ALTER TABLE `nlb_tls_logs` ADD IF NOT EXISTS
  PARTITION (`account` = '012345678910', `region` = 'eu-central-1', `dt` = '2024-02-29') LOCATION 's3://example-athena/tables/nlb_tls_logs/account=012345678910/region=eu-central-1/dt=2024-02-29/'
  PARTITION (`account` = '012345678910', `region` = 'us-east-1', `dt` = '2022-09-27') LOCATION 's3://example-athena/tables/nlb_tls_logs/account=012345678910/region=us-east-1/dt=2022-09-27/'
  PARTITION (`account` = '111122223333', `region` = 'sa-east-1', `dt` = '2025-12-31') LOCATION 's3://example-athena/tables/nlb_tls_logs/account=111122223333/region=sa-east-1/dt=2025-12-31/'
  PARTITION (`account` = '123456789012', `region` = 'us-east-2', `dt` = '2020-05-01') LOCATION 's3://example-athena/tables/nlb_tls_logs/account=123456789012/region=us-east-2/dt=2020-05-01/';
