CREATE TABLE t (a int) USING csv OPTIONS (header true)
