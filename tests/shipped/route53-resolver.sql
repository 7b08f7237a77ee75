CREATE EXTERNAL TABLE IF NOT EXISTS `resolver_query_logs` (
  `version` string,
  `account_id` string,
  `region` string,
  `vpc_id` string,
  `query_timestamp` string,
  `query_name` string,
  `query_type` string,
  `query_class` string,
  `rcode` string,
  `answers` array<struct<rdata:string,type:string,class:string>>,
  `srcaddr` string,
  `srcport` int,
  `transport` string,
  `srcids` struct<instance:string,resolver_endpoint:string,resolver_network_interface:string>,
  `firewall_rule_action` string,
  `firewall_rule_group_id` string,
  `firewall_domain_list_id` string
)
PARTITIONED BY (
  `account` string,
  `vpc` string,
  `dt` date
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/resolver_query_logs/';
ALTER TABLE `resolver_query_logs` ADD IF NOT EXISTS
  PARTITION (`account` = '106328716869', `vpc` = 'vpc-0abcdef1', `dt` = '2024-02-29') LOCATION 's3://example-athena/tables/resolver_query_logs/account=106328716869/vpc=vpc-0abcdef1/dt=2024-02-29/'
  PARTITION (`account` = '106328716869', `vpc` = 'vpc-0d0eb0edc77e67efc', `dt` = '2025-07-23') LOCATION 's3://example-athena/tables/resolver_query_logs/account=106328716869/vpc=vpc-0d0eb0edc77e67efc/dt=2025-07-23/'
  PARTITION (`account` = '106328716869', `vpc` = 'vpc-0d0eb0edc77e67efc', `dt` = '2025-07-24') LOCATION 's3://example-athena/tables/resolver_query_logs/account=106328716869/vpc=vpc-0d0eb0edc77e67efc/dt=2025-07-24/'
  PARTITION (`account` = '123456789012', `vpc` = 'vpc-0123456789abcdf12', `dt` = '2023-02-15') LOCATION 's3://example-athena/tables/resolver_query_logs/account=123456789012/vpc=vpc-0123456789abcdf12/dt=2023-02-15/';
