CREATE EXTERNAL TABLE IF NOT EXISTS `cloudtrail` (
  `records` array<struct<eventversion:string,useridentity:struct<type:string,principalid:string,arn:string,accountid:string,accesskeyid:string,username:string,invokedby:string,identityprovider:string,credentialid:string,sessioncontext:struct<attributes:struct<mfaauthenticated:string,creationdate:string>,sessionissuer:struct<type:string,principalid:string,arn:string,accountid:string,username:string>,webidfederationdata:struct<federatedprovider:string,attributes:map<string,string>>,sourceidentity:string,ec2roledelivery:string,assumedroot:string>,onbehalfof:struct<userid:string,identitystorearn:string>,inscopeof:struct<sourcearn:string,sourceaccount:string,issuertype:string,credentialsissuedto:string>>,eventtime:string,eventsource:string,eventname:string,awsregion:string,sourceipaddress:string,useragent:string,errorcode:string,errormessage:string,requestparameters:string,responseelements:string,additionaleventdata:string,requestid:string,eventid:string,eventtype:string,apiversion:string,managementevent:string,readonly:string,resources:array<struct<arn:string,accountid:string,type:string>>,recipientaccountid:string,serviceeventdetails:string,sharedeventid:string,vpcendpointid:string,vpcendpointaccountid:string,eventcategory:string,addendum:struct<reason:string,updatedfields:string,originalrequestid:string,originaleventid:string>,sessioncredentialfromconsole:string,edgedevicedetails:string,tlsdetails:struct<tlsversion:string,ciphersuite:string,clientprovidedhostheader:string>,eventcontext:struct<requestcontext:string,tagcontext:string>>>
)
PARTITIONED BY (
  `account` string,
  `region` string,
  `dt` date
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://example-athena/tables/cloudtrail/';
ALTER TABLE `cloudtrail` ADD IF NOT EXISTS
  PARTITION (`account` = '012345678910', `region` = 'us-east-1', `dt` = '2022-09-23') LOCATION 's3://example-athena/tables/cloudtrail/account=012345678910/region=us-east-1/dt=2022-09-23/'
  PARTITION (`account` = '111122223333', `region` = 'eu-west-1', `dt` = '2024-02-29') LOCATION 's3://example-athena/tables/cloudtrail/account=111122223333/region=eu-west-1/dt=2024-02-29/'
  PARTITION (`account` = '111122223333', `region` = 'us-east-1', `dt` = '2024-03-01') LOCATION 's3://example-athena/tables/cloudtrail/account=111122223333/region=us-east-1/dt=2024-03-01/'
  PARTITION (`account` = '111122223333', `region` = 'us-east-2', `dt` = '2015-08-01') LOCATION 's3://example-athena/tables/cloudtrail/account=111122223333/region=us-east-2/dt=2015-08-01/'
  PARTITION (`account` = '444455556666', `region` = 'us-gov-west-1', `dt` = '2024-12-31') LOCATION 's3://example-athena/tables/cloudtrail/account=444455556666/region=us-gov-west-1/dt=2024-12-31/';
