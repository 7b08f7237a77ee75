#!/usr/bin/env python3
"""checksum.py OUT: of all (table, partition, line) below OUT, and of the lines of OUT/_unmatched.txt, in whatever order."""
import hashlib
import os
import sys

out = sys.argv[1]
digest, lines, partitions, unsorted = hashlib.sha256(), 0, [], 0
for folder, _, names in os.walk(out):
    if "symlink.txt" in names:
        partitions.append(os.path.relpath(folder, out).encode())
for partition in sorted(partitions):
    with open(os.path.join(out.encode(), partition, b"symlink.txt"), "rb") as file:
        found = file.read().splitlines()
    unsorted += found != sorted(found)
    lines += len(found)
    digest.update(partition + b"\n" + b"\n".join(sorted(found)) + b"\n")
with open(f"{out}/_unmatched.txt", "rb") as file:
    unmatched = sorted(line.removeprefix(b"s3://acme-datalake/") for line in file.read().splitlines())
digest.update(b"\n".join(unmatched))
print(f"{digest.hexdigest()[:16]}  {lines} lines, {len(partitions)} partitions, {unsorted} unsorted, {len(unmatched)} unmatched")
