#!/usr/bin/env python3
"""What restitch does, by Polars: job.py RULES.json text:FILE|csv.gz:GLOB|parquet:GLOB OUT

Keys to partitions by regular expressions, the first rule that matches taking the key; one sorted manifest a partition below
OUT, what no rule takes in OUT/_unmatched.txt.
"""
import json
import os
import re
import sys
from urllib.parse import unquote_plus

import polars as pl

BUCKET = "s3://acme-datalake/"
KEY = pl.col("key")


def scanned(kind, source):
    if kind == "text":
        options = {"has_header": False, "separator": "\x01", "quote_char": None, "schema": {"key": pl.String}}
        return pl.scan_csv(source, **options)
    if kind == "parquet":
        return pl.scan_parquet(source).select("key")
    columns = ["bucket", "key", "size", "last_modified_date", "e_tag", "storage_class"]
    lines = pl.scan_csv(source, has_header=False, schema={column: pl.String for column in columns})
    # Polars has no URL decoding: the escapes that are common here are replaced, the others go through Python.
    key = KEY.str.replace_many(["%3D", "+", "%28", "%29"], ["=", " ", "(", ")"])

    def decoded(keys):
        return pl.Series([unquote_plus(one) if "%" in one else one for one in keys], dtype=pl.String)

    slow = key.map_batches(decoded, return_dtype=pl.String)
    return lines.select(pl.when(key.str.contains("%", literal=True)).then(slow).otherwise(key).alias("key"))


def literal_prefix(regex):
    """The text that every match begins with: most rows are told apart by it, without the expression."""
    found = re.match(r"\^((?:[\w/=-]|\\\.)*)", regex).group(1)
    if regex[1 + len(found) :][:1] in ("*", "+", "?", "{"):
        found = found[:-1]
    return found.replace("\\.", ".")


def path(rule):
    """`table/column=value/…`, of the groups in `g`."""
    parts = [pl.lit(rule["table"])]
    for column, value in rule["partitions"]:
        parts.append(pl.lit(f"/{column}="))
        for text, name in re.findall(r"([^{]+)|\{(\w+)\}", value):
            parts.append(pl.col("g").struct.field(name) if name else pl.lit(text))
    return pl.concat_str(parts).alias("path")


def mapped(rules, keys):
    temporary = KEY.str.contains("_temporary/", literal=True) & KEY.str.contains(r"(?:^|/)_temporary/")
    left = keys.filter(~(temporary | KEY.str.ends_with(".crc"))).collect()
    parts = []
    # Rule by rule, each on what those before it left.
    for rule in rules:
        prefix, matches = literal_prefix(rule["regex"]), KEY.str.contains(rule["regex"])
        mask = left.select((KEY.str.starts_with(prefix) & matches if prefix else matches).alias("m"))["m"]
        taken, left = left.filter(mask), left.filter(~mask)
        if taken.height:
            groups = KEY.str.extract_groups(rule["regex"]).alias("g")
            lines = (pl.lit(BUCKET) + KEY).alias("line")
            parts.append(taken.lazy().with_columns(groups).select(path(rule), lines).collect())
    parts.append(left.select(pl.lit("_unmatched").alias("path"), KEY.alias("line")))
    return pl.concat(parts).lazy().group_by("path").agg(pl.col("line").sort().str.join("\n")).collect()


def main():
    rules, source, out = sys.argv[1:]
    with open(rules, encoding="utf-8") as file:
        rules = json.load(file)
    for name, body in mapped(rules, scanned(*source.split(":", 1))).iter_rows():
        file = f"{out}/_unmatched.txt" if name == "_unmatched" else f"{out}/{name}/symlink.txt"
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "w", encoding="utf-8", newline="\n") as manifest:
            manifest.write(body + "\n")


main()
