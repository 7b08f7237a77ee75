#!/usr/bin/env python3
"""Writes the reports beside this file, as S3 Inventory writes them, with writers that nobody here wrote.

    python3 -m venv venv && venv/bin/pip install duckdb==2.0.1 pyarrow==26.0.1 && venv/bin/python make.py

NAME/DATE/manifest.json and NAME/data/ are a destination in a bucket; objects.jsonl is what each report lists, as
`restitch ls` says it. Running it again gives the same files, but for what the writers say of themselves.
"""
import datetime, hashlib, json, pathlib, random, shutil, urllib.parse

import duckdb, pyarrow as pa, pyarrow.orc as orc, pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
BUCKET = "acme-data"
UTC = datetime.timezone.utc

KEYS = [f"events/dt=2026-11-{day:02}/hour={hour:02}/part-{hour}.parquet" for day in (21, 22, 23) for hour in (0, 7, 23)] + [
    "events/", "odd/a b.csv", "odd/a+b.csv", "odd/a%20b.csv", "odd/a%2Bb.csv", "odd/été/naïve–😀.csv", 'odd/say "hi".csv',
    "odd/comma,semi;colon:.csv", "odd/amp&hash#at@dollar$.csv", "odd//double//slash", "/odd/leading", "odd/tilde~star*bang!'().csv",
    "odd/back\\slash.csv", "odd/[b]{c}<d>|^`.csv", "odd/line\nbreak.csv", "odd/tab\there.csv", "odd/" + "k" * 1000,
    "odd/x=1&y=2?z", "data/amer/taxes1.csv", "data/apac/taxes1.csv", "data/emea/taxes1.csv",
]
CLASSES = ["STANDARD", "STANDARD", "STANDARD_IA", "GLACIER", "INTELLIGENT_TIERING"]

def objects():
    r = random.Random(5)
    for key in KEYS:
        size = 0 if key.endswith("/") else r.randrange(1, 1 << 34)
        when = datetime.datetime(2026, 11, r.randrange(1, 24), r.randrange(24), r.randrange(60), r.randrange(60), tzinfo=UTC)
        etag = "%032x" % r.getrandbits(128) + ("-3" if r.random() < 0.2 else "")
        yield {"Bucket": BUCKET, "Key": key, "Size": size, "LastModifiedDate": when, "ETag": etag, "StorageClass": r.choice(CLASSES),
               "IsMultipartUploaded": "-" in etag, "ReplicationStatus": "", "EncryptionStatus": "SSE-S3"}

def versions(current):
    """The same objects among older versions of them, and objects that are deleted."""
    r = random.Random(6)
    def version(row, **over):
        return dict(row, VersionId="%032x" % r.getrandbits(128), **over)
    for row in current:
        yield version(row, IsLatest=True, IsDeleteMarker=False)
        if r.random() < 0.5:
            yield version(row, IsLatest=False, IsDeleteMarker=False, Size=7, ETag="%032x" % 7)
        if r.random() < 0.3:
            yield version(row, IsLatest=False, IsDeleteMarker=True, Size=None, ETag=None, StorageClass=None)
    for name in ("gone/1.csv", "events/dt=2026-11-20/hour=00/part-0.parquet"):
        row = dict(current[0], Key=name)
        yield version(row, IsLatest=True, IsDeleteMarker=True, Size=None, ETag=None, StorageClass=None)
        yield version(row, IsLatest=False, IsDeleteMarker=False)

CURRENT = ["Bucket", "Key", "Size", "LastModifiedDate", "ETag", "StorageClass", "IsMultipartUploaded", "ReplicationStatus", "EncryptionStatus"]
ALL = CURRENT[:2] + ["VersionId", "IsLatest", "IsDeleteMarker"] + CURRENT[2:]
SOME = ["StorageClass", "Size", "Key", "Bucket"]

SNAKE = {"Bucket": "bucket", "Key": "key", "VersionId": "version_id", "IsLatest": "is_latest", "IsDeleteMarker": "is_delete_marker",
         "Size": "size", "LastModifiedDate": "last_modified_date", "ETag": "e_tag", "StorageClass": "storage_class",
         "IsMultipartUploaded": "is_multipart_uploaded", "ReplicationStatus": "replication_status", "EncryptionStatus": "encryption_status"}
TYPES = {"Size": ("int64", "bigint", pa.int64()), "LastModifiedDate": ("int64", "timestamp", pa.timestamp("ms", "UTC"))} | {
    name: ("boolean", "boolean", pa.bool_()) for name in ("IsLatest", "IsDeleteMarker", "IsMultipartUploaded")}
TEXT = ("binary", "string", pa.string())

def schema(form, columns):
    if form == "CSV":
        return ", ".join(columns)
    if form == "ORC":
        return "struct<" + ",".join(f"{SNAKE[c]}:{TYPES.get(c, TEXT)[1]}" for c in columns) + ">"
    logical = {"LastModifiedDate": " (TIMESTAMP(MILLIS,true))"}
    field = lambda c: f"  {'required' if c in ('Bucket', 'Key') else 'optional'} {TYPES.get(c, TEXT)[0]} {SNAKE[c]}" + (
        logical.get(c) or ("" if c in TYPES else " (STRING)")) + ";"
    return "message s3.inventory {" + "".join(map(field, columns)) + "}"

def table(rows, columns):
    return pa.table({SNAKE[c]: pa.array([row.get(c) for row in rows], TYPES.get(c, TEXT)[2]) for c in columns})

def csv_duckdb(rows, columns, path):
    def text(column, value):
        if column == "Key":
            return urllib.parse.quote_plus(value, safe="/*-._")
        if isinstance(value, datetime.datetime):
            return value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    rows = pa.table({c: [text(c, row.get(c)) for row in rows] for c in columns})
    duckdb.sql(f"COPY rows TO '{path}' (FORMAT csv, HEADER false, FORCE_QUOTE *, COMPRESSION gzip)")

def parquet_pyarrow(codec, **how):
    return lambda rows, columns, path: pq.write_table(table(rows, columns), path, compression=codec, **how)

def parquet_duckdb(codec):
    def write(rows, columns, path):
        rows = table(rows, columns)
        duckdb.sql("SET TimeZone = 'UTC'")
        duckdb.sql(f"COPY rows TO '{path}' (FORMAT parquet, COMPRESSION {codec})")
    return write

def orc_pyarrow(codec):
    return lambda rows, columns, path: orc.write_table(table(rows, columns), path, compression=codec)

def report(name, date, form, extension, write, rows, columns, parts):
    rows = list(rows)
    random.Random(7).shuffle(rows)  # S3 puts them in no order
    data = HERE / name / "data"
    data.mkdir(parents=True, exist_ok=True)
    files = []
    for part in range(parts):
        path = data / f"{date[:10]}-{part}.{extension}"
        write(rows[part::parts], columns, path)
        body = path.read_bytes()
        files.append({"key": f"reports/{BUCKET}/{name}/data/{path.name}", "size": len(body), "MD5checksum": hashlib.md5(body).hexdigest()})
    created = datetime.datetime.strptime(date, "%Y-%m-%dT%H-%MZ").replace(tzinfo=UTC)
    manifest = json.dumps({
        "sourceBucket": BUCKET, "destinationBucket": "arn:aws:s3:::acme-inventory", "version": "2016-11-30",
        "creationTimestamp": str(int(created.timestamp() * 1000)), "fileFormat": form, "fileSchema": schema(form, columns), "files": files,
    }, indent=2)
    folder = HERE / name / date
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(manifest)
    (folder / "manifest.checksum").write_text(hashlib.md5(manifest.encode()).hexdigest())
    hive = HERE / name / "hive" / f"dt={created:%Y-%m-%d-%H-%M}"
    hive.mkdir(parents=True)
    (hive / "symlink.txt").write_text("".join(f"s3://acme-inventory/{f['key']}\n" for f in files))

for old in HERE.iterdir():
    if old.is_dir() and old.name != "venv":
        shutil.rmtree(old)
now = list(objects())
every = list(versions(now))
DATE = "2026-11-23T01-00Z"
report("csv", "2026-11-22T01-00Z", "CSV", "csv.gz", csv_duckdb, now[:5], CURRENT, 1)
report("csv", DATE, "CSV", "csv.gz", csv_duckdb, now, CURRENT, 3)
# The newest is being written: there is no checksum yet.
report("csv", "2026-11-24T01-00Z", "CSV", "csv.gz", csv_duckdb, now[:2], CURRENT, 1)
(HERE / "csv" / "2026-11-24T01-00Z" / "manifest.checksum").unlink()
report("csv-versions", DATE, "CSV", "csv.gz", csv_duckdb, every, ALL, 2)
report("csv-some", DATE, "CSV", "csv.gz", csv_duckdb, now, SOME, 1)
report("parquet-snappy", DATE, "Parquet", "parquet", parquet_pyarrow("snappy"), now, CURRENT, 3)
report("parquet-zstd", DATE, "Parquet", "parquet", parquet_pyarrow("zstd", row_group_size=5, version="1.0"), now, CURRENT, 2)
report("parquet-gzip", DATE, "Parquet", "parquet", parquet_pyarrow("gzip", use_dictionary=False, column_encoding={"key": "DELTA_BYTE_ARRAY"}), now, CURRENT, 1)
report("parquet-plain", DATE, "Parquet", "parquet", parquet_pyarrow("none", data_page_version="2.0", use_deprecated_int96_timestamps=True), now, CURRENT, 1)
report("parquet-duckdb", DATE, "Parquet", "parquet", parquet_duckdb("snappy"), now, CURRENT, 1)
report("parquet-versions", DATE, "Parquet", "parquet", parquet_duckdb("zstd"), every, ALL, 2)
report("parquet-some", DATE, "Parquet", "parquet", parquet_pyarrow("snappy"), now, SOME, 1)
report("orc-zlib", DATE, "ORC", "orc", orc_pyarrow("zlib"), now, CURRENT, 2)
report("orc-snappy", DATE, "ORC", "orc", orc_pyarrow("snappy"), now, CURRENT, 1)
report("orc-versions", DATE, "ORC", "orc", orc_pyarrow("zlib"), every, ALL, 1)
report("orc-some", DATE, "ORC", "orc", orc_pyarrow("zlib"), now, SOME, 1)
with open(HERE / "objects.jsonl", "w") as out:
    for row in now:
        said = {"uri": f"s3://{BUCKET}/{row['Key']}", "size": row["Size"], "modified": row["LastModifiedDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
                "storage_class": row["StorageClass"], "etag": row["ETag"]}
        out.write(json.dumps(said, ensure_ascii=False) + "\n")
