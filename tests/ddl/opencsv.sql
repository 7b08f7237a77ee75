create external table t (a string, `b c` string)
row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
with serdeproperties ('separatorChar' = ';', 'quoteChar' = '"', 'escapeChar' = '\\')
stored as textfile
location 's3://x/'
tblproperties ('has_encrypted_data'='false', 'skip.header.line.count'='1')
