"""Runs the statements of SQL files in a local Spark with Hive support, over folders that stand for buckets."""

import json
import os
import re
import sys

from pyspark.sql import SparkSession


def session(root):
    metastore = os.path.join(root, ".metastore")
    os.makedirs(metastore, exist_ok=True)
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "1g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.log.level": "ERROR",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": f"file://{metastore}/warehouse",
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={metastore} -Dderby.stream.error.file={metastore}/derby.log",
        # Without this, Spark reads no row of a partitioned symlink table, and says nothing.
        "spark.hadoopRDD.ignoreEmptySplits": "false",
        # s3:// is served from folders, one mount a bucket.
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
        "spark.hadoop.fs.viewfs.overload.scheme.target.s3.impl": "org.apache.hadoop.fs.LocalFileSystem",
    }
    if uri := os.environ.get("RESTITCH_HMS_URI"):
        settings["spark.hadoop.hive.metastore.uris"] = uri
    else:
        catalog = f"jdbc:derby:;databaseName={metastore}/db;create=true"
        settings["spark.hadoop.javax.jdo.option.ConnectionURL"] = catalog
    for bucket in os.listdir(root):
        if not bucket.startswith(".") and os.path.isdir(os.path.join(root, bucket)):
            settings[f"spark.hadoop.fs.viewfs.mounttable.{bucket}.linkFallback"] = f"file://{root}/{bucket}/"
    builder = SparkSession.builder.master("local[1]").appName("restitch").enableHiveSupport()
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def statements(path):
    """The statements of a file: each ends in a `;` at the end of a line."""
    with open(path, encoding="utf8", newline="") as file:
        for statement in re.split(r";[ \t]*(?:\n|$)", file.read()):
            lines = [line for line in statement.splitlines() if not line.lstrip().startswith("--")]
            if any(line.strip() for line in lines):
                yield statement.strip()


def plain(value):
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def reason(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " | ".join(([line for line in lines if "Caused by" in line] or lines)[:2])


def main(root, files):
    spark = session(os.path.abspath(root))
    failed = False
    for path in files:
        for statement in statements(path):
            answer = {"sql": statement}
            try:
                answer["rows"] = [[plain(value) for value in row] for row in spark.sql(statement).collect()]
            except Exception as error:  # Whatever Spark throws is the answer to this statement.
                failed = True
                answer["error"] = reason(error)
            print(json.dumps(answer, ensure_ascii=False), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
