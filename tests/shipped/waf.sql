CREATE EXTERNAL TABLE IF NOT EXISTS `waf_logs` (
  `timestamp` bigint,
  `formatversion` int,
  `webaclid` string,
  `terminatingruleid` string,
  `terminatingruletype` string,
  `action` string,
  `terminatingrulematchdetails` array<struct<conditiontype:string,sensitivitylevel:string,location:string,matcheddata:array<string>,matchedfieldname:string>>,
  `httpsourcename` string,
  `httpsourceid` string,
  `rulegrouplist` array<struct<rulegroupid:string,terminatingrule:struct<ruleid:string,action:string,rulematchdetails:array<struct<conditiontype:string,sensitivitylevel:string,location:string,matcheddata:array<string>,matchedfieldname:string>>>,nonterminatingmatchingrules:array<struct<ruleid:string,action:string,overriddenaction:string,rulematchdetails:array<struct<conditiontype:string,sensitivitylevel:string,location:string,matcheddata:array<string>,matchedfieldname:string>>,challengeresponse:struct<responsecode:string,solvetimestamp:string,failurereason:string>,captcharesponse:struct<responsecode:string,solvetimestamp:string,failurereason:string>>>,excludedrules:array<struct<ruleid:string,exclusiontype:string>>,customerconfig:string>>,
  `ratebasedrulelist` array<struct<ratebasedruleid:string,ratebasedrulename:string,limitkey:string,limitvalue:string,maxrateallowed:int,evaluationwindowsec:string,customvalues:array<struct<key:string,name:string,value:string>>>>,
  `nonterminatingmatchingrules` array<struct<ruleid:string,action:string,rulematchdetails:array<struct<conditiontype:string,sensitivitylevel:string,location:string,matcheddata:array<string>,matchedfieldname:string>>,challengeresponse:struct<responsecode:string,solvetimestamp:string,failurereason:string>,captcharesponse:struct<responsecode:string,solvetimestamp:string,failurereason:string>>>,
  `requestheadersinserted` array<struct<name:string,value:string>>,
  `responsecodesent` string,
  `httprequest` struct<clientip:string,country:string,headers:array<struct<name:string,value:string>>,uri:string,args:string,httpversion:string,httpmethod:string,requestid:string,fragment:string,scheme:string,host:string>,
  `labels` array<struct<name:string>>,
  `captcharesponse` struct<responsecode:string,solvetimestamp:string,failurereason:string>,
  `challengeresponse` struct<responsecode:string,solvetimestamp:string,failurereason:string>,
  `ja3fingerprint` string,
  `ja4fingerprint` string,
  `clientasn` bigint,
  `forwardedasn` bigint,
  `oversizefields` string,
  `requestbodysize` int,
  `requestbodysizeinspectedbywaf` int
)
PARTITIONED BY (
  `account` string,
  `region` string,
  `web_acl` string,
  `dt` date,
  `hour` int
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/waf_logs/';
ALTER TABLE `waf_logs` ADD IF NOT EXISTS
  PARTITION (`account` = '012345678910', `region` = 'ap-northeast-1', `web_acl` = 'FMManagedWebACLV2-policy-1700000000000', `dt` = '2024-12-31', `hour` = 23) LOCATION 's3://example-athena/tables/waf_logs/account=012345678910/region=ap-northeast-1/web_acl=FMManagedWebACLV2-policy-1700000000000/dt=2024-12-31/hour=23/'
  PARTITION (`account` = '012345678910', `region` = 'eu-west-1', `web_acl` = 'web_acl_1', `dt` = '2024-02-29', `hour` = 0) LOCATION 's3://example-athena/tables/waf_logs/account=012345678910/region=eu-west-1/web_acl=web_acl_1/dt=2024-02-29/hour=0/'
  PARTITION (`account` = '111122223333', `region` = 'cloudfront', `web_acl` = 'TEST-WEBACL', `dt` = '2022-09-27', `hour` = 17) LOCATION 's3://example-athena/tables/waf_logs/account=111122223333/region=cloudfront/web_acl=TEST-WEBACL/dt=2022-09-27/hour=17/'
  PARTITION (`account` = '111122223333', `region` = 'us-east-1', `web_acl` = 'TEST-WEBACL', `dt` = '2021-10-28', `hour` = 19) LOCATION 's3://example-athena/tables/waf_logs/account=111122223333/region=us-east-1/web_acl=TEST-WEBACL/dt=2021-10-28/hour=19/';
