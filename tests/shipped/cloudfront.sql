CREATE EXTERNAL TABLE IF NOT EXISTS `cloudfront_logs` (
  `date` date,
  `time` string,
  `x_edge_location` string,
  `sc_bytes` bigint,
  `c_ip` string,
  `cs_method` string,
  `cs_host` string,
  `cs_uri_stem` string,
  `sc_status` int,
  `cs_referrer` string,
  `cs_user_agent` string,
  `cs_uri_query` string,
  `cs_cookie` string,
  `x_edge_result_type` string,
  `x_edge_request_id` string,
  `x_host_header` string,
  `cs_protocol` string,
  `cs_bytes` bigint,
  `time_taken` float,
  `x_forwarded_for` string,
  `ssl_protocol` string,
  `ssl_cipher` string,
  `x_edge_response_result_type` string,
  `cs_protocol_version` string,
  `fle_status` string,
  `fle_encrypted_fields` int,
  `c_port` int,
  `time_to_first_byte` float,
  `x_edge_detailed_result_type` string,
  `sc_content_type` string,
  `sc_content_len` bigint,
  `sc_range_start` bigint,
  `sc_range_end` bigint
)
PARTITIONED BY (
  `distribution` string,
  `dt` date
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe'
WITH SERDEPROPERTIES (
  'field.delim' = '\t',
  'serialization.format' = '\t'
)
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/cloudfront_logs/'
TBLPROPERTIES (
  'skip.header.line.count' = '2'
);
ALTER TABLE `cloudfront_logs` ADD IF NOT EXISTS
  PARTITION (`distribution` = 'E2OWEXAMPLE1', `dt` = '2024-02-29') LOCATION 's3://example-athena/tables/cloudfront_logs/distribution=E2OWEXAMPLE1/dt=2024-02-29/'
  PARTITION (`distribution` = 'EMLARXS9EXAMPLE', `dt` = '2019-11-14') LOCATION 's3://example-athena/tables/cloudfront_logs/distribution=EMLARXS9EXAMPLE/dt=2019-11-14/';

CREATE EXTERNAL TABLE IF NOT EXISTS `cloudfront_v2_logs` (
  `date` date,
  `time` string,
  `x_edge_location` string,
  `sc_bytes` bigint,
  `c_ip` string,
  `cs_method` string,
  `cs_host` string,
  `cs_uri_stem` string,
  `sc_status` int,
  `cs_referer` string,
  `cs_user_agent` string,
  `cs_uri_query` string,
  `cs_cookie` string,
  `x_edge_result_type` string,
  `x_edge_request_id` string,
  `x_host_header` string,
  `cs_protocol` string,
  `cs_bytes` bigint,
  `time_taken` float,
  `x_forwarded_for` string,
  `ssl_protocol` string,
  `ssl_cipher` string,
  `x_edge_response_result_type` string,
  `cs_protocol_version` string,
  `fle_status` string,
  `fle_encrypted_fields` int,
  `c_port` int,
  `time_to_first_byte` float,
  `x_edge_detailed_result_type` string,
  `sc_content_type` string,
  `sc_content_len` bigint,
  `sc_range_start` bigint,
  `sc_range_end` bigint
)
PARTITIONED BY (
  `account` string,
  `distribution` string,
  `dt` date
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe'
WITH SERDEPROPERTIES (
  'field.delim' = '\t',
  'serialization.format' = '\t'
)
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/cloudfront_v2_logs/'
TBLPROPERTIES (
  'skip.header.line.count' = '1'
);
ALTER TABLE `cloudfront_v2_logs` ADD IF NOT EXISTS
  PARTITION (`account` = '111122223333', `distribution` = 'EMLARXS9EXAMPLE', `dt` = '2024-11-14') LOCATION 's3://example-athena/tables/cloudfront_v2_logs/account=111122223333/distribution=EMLARXS9EXAMPLE/dt=2024-11-14/'
  PARTITION (`account` = '111122223333', `distribution` = 'EMLARXS9EXAMPLE', `dt` = '2024-11-15') LOCATION 's3://example-athena/tables/cloudfront_v2_logs/account=111122223333/distribution=EMLARXS9EXAMPLE/dt=2024-11-15/'
  PARTITION (`account` = '111122223333', `distribution` = 'EMLARXS9EXAMPLE', `dt` = '2025-04-15') LOCATION 's3://example-athena/tables/cloudfront_v2_logs/account=111122223333/distribution=EMLARXS9EXAMPLE/dt=2025-04-15/';

CREATE EXTERNAL TABLE IF NOT EXISTS `cloudfront_v2_parquet` (
  `date` string,
  `time` string,
  `x_edge_location` string,
  `sc_bytes` string,
  `c_ip` string,
  `cs_method` string,
  `cs_host` string,
  `cs_uri_stem` string,
  `sc_status` string,
  `cs_referer` string,
  `cs_user_agent` string,
  `cs_uri_query` string,
  `cs_cookie` string,
  `x_edge_result_type` string,
  `x_edge_request_id` string,
  `x_host_header` string,
  `cs_protocol` string,
  `cs_bytes` string,
  `time_taken` string,
  `x_forwarded_for` string,
  `ssl_protocol` string,
  `ssl_cipher` string,
  `x_edge_response_result_type` string,
  `cs_protocol_version` string,
  `fle_status` string,
  `fle_encrypted_fields` string,
  `c_port` string,
  `time_to_first_byte` string,
  `x_edge_detailed_result_type` string,
  `sc_content_type` string,
  `sc_content_len` string,
  `sc_range_start` string,
  `sc_range_end` string
)
PARTITIONED BY (
  `account` string,
  `distribution` string,
  `dt` date
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/cloudfront_v2_parquet/';
ALTER TABLE `cloudfront_v2_parquet` ADD IF NOT EXISTS
  PARTITION (`account` = '111122223333', `distribution` = 'EMLARXS9EXAMPLE', `dt` = '2024-11-14') LOCATION 's3://example-athena/tables/cloudfront_v2_parquet/account=111122223333/distribution=EMLARXS9EXAMPLE/dt=2024-11-14/'
  PARTITION (`account` = '111122223333', `distribution` = 'EMLARXS9EXAMPLE', `dt` = '2025-04-15') LOCATION 's3://example-athena/tables/cloudfront_v2_parquet/account=111122223333/distribution=EMLARXS9EXAMPLE/dt=2025-04-15/';
