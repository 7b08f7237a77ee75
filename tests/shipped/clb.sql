CREATE EXTERNAL TABLE IF NOT EXISTS `elb_logs` (
  `timestamp` string,
  `elb_name` string,
  `request_ip` string,
  `request_port` int,
  `backend_ip` string,
  `backend_port` int,
  `request_processing_time` double,
  `backend_processing_time` double,
  `client_response_time` double,
  `elb_response_code` string,
  `backend_response_code` string,
  `received_bytes` bigint,
  `sent_bytes` bigint,
  `request_verb` string,
  `url` string,
  `protocol` string,
  `user_agent` string,
  `ssl_cipher` string,
  `ssl_protocol` string
)
PARTITIONED BY (
  `account` string,
  `region` string,
  `load_balancer` string,
  `dt` date
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe'
WITH SERDEPROPERTIES (
  'input.regex' = '([^ ]*) ([^ ]*) ([^ ]*):([0-9]*) (?:([^ ]*):([0-9]*)|-) ([-.0-9]*) ([-.0-9]*) ([-.0-9]*) ([-0-9]*) ([-0-9]*) ([-0-9]*) ([-0-9]*) "([^ ]*) (.*?) ([^ "]* ?)"(?: "([^"\\\\]*(?:\\\\.[^"\\\\]*)*)" ([^ ]*) ([^ ]*)(?: .*)?)?'
)
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/elb_logs/';
ALTER TABLE `elb_logs` ADD IF NOT EXISTS
  PARTITION (`account` = '012345678910', `region` = 'eu-west-1', `load_balancer` = 'a2e8277e0e09143fbb06db5dcd2a14c2', `dt` = '2022-07-30') LOCATION 's3://example-athena/tables/elb_logs/account=012345678910/region=eu-west-1/load_balancer=a2e8277e0e09143fbb06db5dcd2a14c2/dt=2022-07-30/'
  PARTITION (`account` = '012345678910', `region` = 'eu-west-1', `load_balancer` = 'a2e8277e0e09143fbb06db5dcd2a14c2', `dt` = '2022-07-31') LOCATION 's3://example-athena/tables/elb_logs/account=012345678910/region=eu-west-1/load_balancer=a2e8277e0e09143fbb06db5dcd2a14c2/dt=2022-07-31/'
  PARTITION (`account` = '111122223333', `region` = 'us-east-1', `load_balancer` = 'app', `dt` = '2020-03-01') LOCATION 's3://example-athena/tables/elb_logs/account=111122223333/region=us-east-1/load_balancer=app/dt=2020-03-01/'
  PARTITION (`account` = '111122223333', `region` = 'us-east-1', `load_balancer` = 'internal-api', `dt` = '2020-02-29') LOCATION 's3://example-athena/tables/elb_logs/account=111122223333/region=us-east-1/load_balancer=internal-api/dt=2020-02-29/'
  PARTITION (`account` = '123456789012', `region` = 'us-west-2', `load_balancer` = 'my-loadbalancer', `dt` = '2018-02-13') LOCATION 's3://example-athena/tables/elb_logs/account=123456789012/region=us-west-2/load_balancer=my-loadbalancer/dt=2018-02-13/';
