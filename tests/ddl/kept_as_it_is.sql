CREATE EXTERNAL TABLE IF NOT EXISTS t (
  a int NOT NULL DISABLE NOVALIDATE,
  `order` string COMMENT "says ""so""",
  PRIMARY KEY (a) DISABLE NOVALIDATE,
  CONSTRAINT c UNIQUE (a) DISABLE
)
COMMENT 'a' 'b'
SKEWED BY (a) ON ((1),(2)) STORED AS DIRECTORIES
ROW FORMAT SERDE 'com.example.serde.Made$Up'
WITH SERDEPROPERTIES ("odd.\"key\"" = '\'v\' \\ \001 ${x}', 'empty' = '')
FROBNICATED BY (x, 'y') WITH LOVE
LOCATION 's3://x/'
TBLPROPERTIES ('n' = 1, "ünï" = 'cödé', 'spark.sql.create.version'='3.5.6')
