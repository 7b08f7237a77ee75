#!/usr/bin/env python3
"""inventory.py DIR: DIR/keys.txt as two S3 Inventories, DIR/csv.gz/ and DIR/parquet/, eight files each, written by pyarrow."""
import gzip
import hashlib
import json
import os
import random
import sys
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet

FILES = 8
FIELDS = ["Bucket", "Key", "Size", "LastModifiedDate", "ETag", "StorageClass"]
PARQUET = """message s3.inventory {  required binary bucket (STRING);  required binary key (STRING);  optional int64 size;  \
optional int64 last_modified_date (TIMESTAMP(MILLIS,true));  optional binary e_tag (STRING);  \
optional binary storage_class (STRING);}"""


def objects(keys, seed):
    """Attributes as a lake has them, the same ones every time."""
    rng = random.Random(seed)
    size = [rng.randrange(1 << 27) for _ in keys]
    modified = [1_706_745_600_000 + rng.randrange(28 * 86_400) * 1000 for _ in keys]
    etag = [f"{rng.getrandbits(128):032x}" for _ in keys]
    storage = [rng.choices(["STANDARD", "STANDARD_IA"], [9, 1])[0] for _ in keys]
    return size, modified, etag, storage


def write_csv(path, keys, size, modified, etag, storage):
    times = pa.array(modified, pa.timestamp("ms")).cast(pa.string()).to_pylist()
    with gzip.open(path, "wb", compresslevel=6) as file:
        for row in zip(keys, size, times, etag, storage):
            key, size, time, etag, storage = row
            key = quote(key, safe="/*").replace("%20", "+").replace("~", "%7E")
            time = time.replace(" ", "T") + "Z"
            file.write(f'"acme-datalake","{key}","{size}","{time}","{etag}","{storage}"\n'.encode())


def write_parquet(path, keys, size, modified, etag, storage):
    table = pa.table(
        {
            "bucket": pa.array(["acme-datalake"] * len(keys)),
            "key": pa.array(keys),
            "size": pa.array(size, pa.int64()),
            "last_modified_date": pa.array(modified, pa.timestamp("ms", "UTC")),
            "e_tag": pa.array(etag),
            "storage_class": pa.array(storage),
        }
    )
    options = {"compression": "snappy", "row_group_size": 262_144, "use_dictionary": ["bucket", "storage_class"]}
    pa.parquet.write_table(table, path, **options)


def write_manifest(folder, kind, schema):
    names = sorted(name for name in os.listdir(folder) if not name.startswith("manifest"))
    files = []
    for name in names:
        with open(f"{folder}/{name}", "rb") as file:
            content = file.read()
        files.append({"key": name, "size": len(content), "MD5checksum": hashlib.md5(content).hexdigest()})
    manifest = {
        "sourceBucket": "acme-datalake",
        "destinationBucket": "arn:aws:s3:::inventory-bucket",
        "version": "2016-11-30",
        "creationTimestamp": "1709251200000",
        "fileFormat": kind,
        "fileSchema": schema,
        "files": files,
    }
    text = json.dumps(manifest, indent=2).encode()
    with open(f"{folder}/manifest.json", "wb") as file:
        file.write(text)
    with open(f"{folder}/manifest.checksum", "w", encoding="ascii") as file:
        file.write(hashlib.md5(text).hexdigest())


def main():
    folder = sys.argv[1]
    with open(f"{folder}/keys.txt", encoding="utf-8") as file:
        keys = file.read().splitlines()
    for kind in ("csv.gz", "parquet"):
        os.makedirs(f"{folder}/{kind}", exist_ok=True)
    per_file = -(-len(keys) // FILES)
    for number in range(FILES):
        part = keys[number * per_file : (number + 1) * per_file]
        columns = objects(part, number)
        write_csv(f"{folder}/csv.gz/part-{number:05}.csv.gz", part, *columns)
        write_parquet(f"{folder}/parquet/part-{number:05}.parquet", part, *columns)
    write_manifest(f"{folder}/csv.gz", "CSV", ", ".join(FIELDS))
    write_manifest(f"{folder}/parquet", "Parquet", PARQUET)


main()
