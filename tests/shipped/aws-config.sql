CREATE EXTERNAL TABLE IF NOT EXISTS `config_snapshots` (
  `fileversion` string,
  `configsnapshotid` string,
  `configurationitems` array<struct<configurationitemversion:string,configurationitemcapturetime:string,configurationstateid:bigint,awsaccountid:string,configurationitemstatus:string,resourcetype:string,resourceid:string,resourcename:string,arn:string,awsregion:string,availabilityzone:string,configurationstatemd5hash:string,configuration:string,supplementaryconfiguration:map<string,string>,tags:map<string,string>,resourcecreationtime:string,relatedevents:array<string>,relationships:array<struct<resourceid:string,resourcename:string,resourcetype:string,name:string>>>>
)
PARTITIONED BY (
  `account` string,
  `region` string,
  `dt` date
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES (
  'case.insensitive' = 'false',
  'mapping.fileversion' = 'fileVersion',
  'mapping.configsnapshotid' = 'configSnapshotId',
  'mapping.configurationitems' = 'configurationItems',
  'mapping.configurationitemversion' = 'configurationItemVersion',
  'mapping.configurationitemcapturetime' = 'configurationItemCaptureTime',
  'mapping.configurationstateid' = 'configurationStateId',
  'mapping.awsaccountid' = 'awsAccountId',
  'mapping.configurationitemstatus' = 'configurationItemStatus',
  'mapping.resourcetype' = 'resourceType',
  'mapping.resourceid' = 'resourceId',
  'mapping.resourcename' = 'resourceName',
  'mapping.arn' = 'ARN',
  'mapping.awsregion' = 'awsRegion',
  'mapping.availabilityzone' = 'availabilityZone',
  'mapping.configurationstatemd5hash' = 'configurationStateMd5Hash',
  'mapping.supplementaryconfiguration' = 'supplementaryConfiguration',
  'mapping.resourcecreationtime' = 'resourceCreationTime',
  'mapping.relatedevents' = 'relatedEvents'
)
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/config_snapshots/';
ALTER TABLE `config_snapshots` ADD IF NOT EXISTS
  PARTITION (`account` = '123456789012', `region` = 'eu-west-1', `dt` = '2024-02-29') LOCATION 's3://example-athena/tables/config_snapshots/account=123456789012/region=eu-west-1/dt=2024-02-29/'
  PARTITION (`account` = '123456789012', `region` = 'us-east-1', `dt` = '2019-04-15') LOCATION 's3://example-athena/tables/config_snapshots/account=123456789012/region=us-east-1/dt=2019-04-15/';

CREATE EXTERNAL TABLE IF NOT EXISTS `config_history` (
  `fileversion` string,
  `configsnapshotid` string,
  `configurationitems` array<struct<configurationitemversion:string,configurationitemcapturetime:string,configurationstateid:bigint,awsaccountid:string,configurationitemstatus:string,resourcetype:string,resourceid:string,resourcename:string,arn:string,awsregion:string,availabilityzone:string,configurationstatemd5hash:string,configuration:string,supplementaryconfiguration:map<string,string>,tags:map<string,string>,resourcecreationtime:string,relatedevents:array<string>,relationships:array<struct<resourceid:string,resourcename:string,resourcetype:string,name:string>>>>
)
PARTITIONED BY (
  `account` string,
  `region` string,
  `resource_type` string,
  `dt` date
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES (
  'case.insensitive' = 'false',
  'mapping.fileversion' = 'fileVersion',
  'mapping.configsnapshotid' = 'configSnapshotId',
  'mapping.configurationitems' = 'configurationItems',
  'mapping.configurationitemversion' = 'configurationItemVersion',
  'mapping.configurationitemcapturetime' = 'configurationItemCaptureTime',
  'mapping.configurationstateid' = 'configurationStateId',
  'mapping.awsaccountid' = 'awsAccountId',
  'mapping.configurationitemstatus' = 'configurationItemStatus',
  'mapping.resourcetype' = 'resourceType',
  'mapping.resourceid' = 'resourceId',
  'mapping.resourcename' = 'resourceName',
  'mapping.arn' = 'ARN',
  'mapping.awsregion' = 'awsRegion',
  'mapping.availabilityzone' = 'availabilityZone',
  'mapping.configurationstatemd5hash' = 'configurationStateMd5Hash',
  'mapping.supplementaryconfiguration' = 'supplementaryConfiguration',
  'mapping.resourcecreationtime' = 'resourceCreationTime',
  'mapping.relatedevents' = 'relatedEvents'
)
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/config_history/';
ALTER TABLE `config_history` ADD IF NOT EXISTS
  PARTITION (`account` = '123456789012', `region` = 'us-east-1', `resource_type` = 'AWS::EC2::Instance', `dt` = '2019-04-05') LOCATION 's3://example-athena/tables/config_history/account=123456789012/region=us-east-1/resource_type=AWS%3A%3AEC2%3A%3AInstance/dt=2019-04-05/'
  PARTITION (`account` = '123456789012', `region` = 'us-east-1', `resource_type` = 'AWS::EC2::Instance', `dt` = '2024-02-29') LOCATION 's3://example-athena/tables/config_history/account=123456789012/region=us-east-1/resource_type=AWS%3A%3AEC2%3A%3AInstance/dt=2024-02-29/'
  PARTITION (`account` = '123456789012', `region` = 'us-east-1', `resource_type` = 'AWS::RDS::DBInstance', `dt` = '2018-12-16') LOCATION 's3://example-athena/tables/config_history/account=123456789012/region=us-east-1/resource_type=AWS%3A%3ARDS%3A%3ADBInstance/dt=2018-12-16/';
