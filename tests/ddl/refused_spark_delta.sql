CREATE TABLE t (id bigint, region string)
USING delta
PARTITIONED BY (region)
LOCATION 's3://x/'
