-- rules: partitioned_by = ["day string"]
-- rules: set = { day = "x" }
CREATE EXTERNAL TABLE IF NOT EXISTS alb_logs (
            type string,
            time string,
            elb string,
            client_ip string,
            client_port int,
            request_processing_time double,
            elb_status_code int,
            received_bytes bigint,
            request_verb string,
            user_agent string
            )
            PARTITIONED BY
            (
             day STRING
            )
            ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe'
            WITH SERDEPROPERTIES (
            'serialization.format' = '1',
            'input.regex' =
        '([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*):([0-9]*) ([-.0-9]*) (|[-0-9]*) ([-0-9]*) \"([^ ]*) .*- |[^ ]*\" \"([^\"]*)\"')
            LOCATION 's3://amzn-s3-demo-bucket/AWSLogs/123456789012/elasticloadbalancing/us-east-1/'
            TBLPROPERTIES
            (
             "projection.enabled" = "true",
             "projection.day.type" = "date",
             "projection.day.range" = "2022/01/01,NOW",
             "projection.day.format" = "yyyy/MM/dd",
             "storage.location.template" = "s3://amzn-s3-demo-bucket/AWSLogs/123456789012/elasticloadbalancing/us-east-1/${day}"
            )
