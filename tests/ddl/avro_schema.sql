CREATE EXTERNAL TABLE flights (
   yr INT,
   origin STRING)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.avro.AvroSerDe'
WITH SERDEPROPERTIES ('avro.schema.literal' = '
{
   "type" : "record",
   "name" : "flights",
   "namespace" : "default",
   "fields" : [ {
      "name" : "yr",
      "type" : [ "null", "int" ],
      "default" : null
   }, {
      "name" : "origin",
      "type" : [ "null", "string" ]
   } ]
}
')
STORED AS AVRO
LOCATION 's3://athena-examples/flight/avro/';
