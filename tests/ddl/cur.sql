-- rules: partitioned_by = []
-- What the Cost and Usage Report's own create-table file looks like.
CREATE EXTERNAL TABLE IF NOT EXISTS athenacurcfn_report.myreport(
          identity_line_item_id STRING,
          bill_billing_period_start_date TIMESTAMP,
          line_item_usage_amount DOUBLE,
          line_item_normalization_factor double,
          `resource_tags_user_name` STRING
     )

      PARTITIONED BY (
            year STRING,
            month STRING
     )
    ROW FORMAT SERDE
    'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
    WITH SERDEPROPERTIES (
      'serialization.format' = '1'
    ) LOCATION 's3://acme-billing/cur/myreport/myreport/'
