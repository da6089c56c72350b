#!/usr/bin/python3
"""Prints what is in a checkpoint directory or a savepoint file as JSON.

    read_checkpoint.py DIRECTORY|FILE [--at N]

Written from docs/format/checkpoint.md alone and with nothing of Weir, so that the document is known to suffice.
Reads directories that no job uses. Exit codes: 0 all of it is as it was written, 1 something is not, 2 a mistake
in the command line.
"""

import argparse
import itertools
import json
import os
import re
import struct
import sys

import xxhash

from lmdb_file import Damaged, LmdbFile
from schema import Decoder, Reader, Undecodable, parse, shown_map, shown_time, truth

MAGIC = b"WEIRCKPT"
VERSION = 4
KEY_GROUP, LIST, DELTA, CHANNEL = 1, 2, 3, 6
REDISTRIBUTIONS = {0: "even split", 1: "full union"}


def hash_of(data):
    return xxhash.xxh3_64_intdigest(data)


def unsealed(data):
    reader = Reader(data)
    length, checksum = reader.number("u64"), reader.number("u64")
    content = reader.take(length)
    reader.end()
    if hash_of(content) != checksum:
        raise Damaged(f"expected the checksum {checksum:016x}, found {hash_of(content):016x}")
    return content


def at(where, work, *arguments):
    """What does not fit is said with where it is."""
    try:
        return work(*arguments)
    except (Damaged, Undecodable) as problem:
        raise type(problem)(f"{where}: {problem}") from None


def check_version(path, version):
    if version != VERSION:
        raise Damaged(f"{path}: expected format {VERSION}, found format {version}: read it with a version of "
                      "Weir that knows it")


class LmdbStore:
    def __init__(self, path):
        databases = LmdbFile(path).databases
        for name in ("meta", "checkpoint", "blob"):
            if name not in databases:
                raise Damaged(f'{path}: expected a sub-database "{name}", found {sorted(databases)}')
        meta = {key: at(f"{path}: {key}", unsealed, value) for key, value in databases["meta"]}
        for key in (b"format", b"job", b"attempt"):
            if key not in meta:
                raise Damaged(f"{path}: the record {key.decode()} is missing")
        form = Reader(meta[b"format"])
        if form.take(8) != MAGIC:
            raise Damaged(f"{path}: expected {MAGIC.decode()}, found the file of another program")
        check_version(path, form.number("u32"))
        self.job = at(f"{path}: job", Reader(meta[b"job"]).string)
        self.attempt = at(f"{path}: attempt", Reader(meta[b"attempt"]).number, "u64")
        self.manifests = {int.from_bytes(key, "big"): at(f"checkpoint {int.from_bytes(key, 'big')}", unsealed, value)
                          for key, value in databases["checkpoint"]}
        self.blobs = dict(databases["blob"])

    def blob(self, key, length):
        if key not in self.blobs:
            raise Damaged("it is missing")
        return unsealed(self.blobs[key])


class CheckpointFile:
    """One checkpoint with its blobs, in a file."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = data = file.read()
        if len(data) < 12 + 40 or data[:8] != MAGIC or data[-8:] != MAGIC:
            raise Damaged(f"{path}: expected {MAGIC.decode()} at its begin and end: it is damaged or no checkpoint")
        check_version(path, struct.unpack_from("<I", data, 8)[0])
        offsets, checksum = data[-40:-16], struct.unpack("<Q", data[-16:-8])[0]
        if hash_of(offsets) != checksum:
            raise Damaged(f"{path}: the checksum of the three offsets at its end does not fit")
        index, manifest, end = struct.unpack("<3Q", offsets)
        if end != len(data) - 40:
            raise Damaged(f"{path}: expected the manifest to end at {end}, found {len(data) - 40}")
        reader = Reader(at(f"{path}: list of blobs", unsealed, data[index:manifest]))
        self.job = reader.string()
        self.offsets = {}
        for _ in reader.times():
            key = reader.text()
            self.offsets[key] = reader.number("u64")
        reader.end()
        self.manifest = at(f"{path}: manifest", unsealed, data[manifest:end])
        self.id = Reader(self.manifest).number("u64")
        self.blobs_end = index


class FilesStore:
    def __init__(self, paths, attempt=None):
        self.files, self.manifests = {}, {}
        for path in sorted(paths):
            file = CheckpointFile(path)
            name = re.search(r"(checkpoint|blobs)-(\d{20})\.weir$", path)
            if attempt is not None and int(name[2]) != file.id:
                raise Damaged(f"{path}: expected checkpoint {int(name[2])}, found {file.id}")
            self.files[file.id] = file
            if attempt is None or name[1] == "checkpoint":
                self.manifests[file.id] = file.manifest
        jobs = {file.job for file in self.files.values()}
        if len(jobs) != 1:
            raise Damaged(f"expected checkpoints of one job, found {sorted(jobs)}")
        self.job = jobs.pop()
        self.attempt = attempt

    def blob(self, key, length):
        file = self.files.get(int.from_bytes(key[:8], "big"))
        if not file or key not in file.offsets:
            raise Damaged("it is missing")
        start = file.offsets[key]
        if start + length > file.blobs_end:
            raise Damaged(f"expected {length} bytes at {start}, found the end of the blobs at {file.blobs_end}")
        return file.data[start:start + length]


def opened(path):
    if os.path.isfile(path):
        return FilesStore([path])
    if not os.path.isdir(path):
        raise Damaged(f"{path}: expected a checkpoint directory or a savepoint file, found nothing")
    if os.path.exists(os.path.join(path, "checkpoints.mdb")):
        return LmdbStore(os.path.join(path, "checkpoints.mdb"))
    names = [name for name in os.listdir(path) if re.fullmatch(r"(checkpoint|blobs)-\d{20}\.weir", name)]
    if not names:
        raise Damaged(f"{path}: expected checkpoints.mdb or checkpoint-*.weir, found neither: is it the "
                      "directory that the job's checkpoint.dir says?")
    with open(os.path.join(path, "attempt"), "rb") as file:
        attempt = at(f"{path}/attempt", unsealed, file.read())
    return FilesStore([os.path.join(path, name) for name in names], Reader(attempt).number("u64"))


def read_references(reader):
    return [dict(checkpoint=reader.number("u64"), operator=reader.number("u64"), kind=reader.number("u8"),
                 index=reader.number("u64"), length=reader.number("u64"), checksum=reader.number("u64"))
            for _ in reader.times(41)]


def read_instance(r):
    found = dict(uid=r.string(), instance=r.number("u32"), parallelism=r.number("u32"), drained=truth(r),
                 records=r.number("u64"), late=r.number("u64"), dropped=r.number("u64"),
                 watermark=r.number("i64"), key_type=r.string())
    found["states"] = [dict(name=r.string(), kind=r.string(), type=r.string(), time_to_live=truth(r))
                       for _ in r.times()]
    found["key_groups"] = [dict(key_group=r.number("u32"), entries=r.number("u64"), references=read_references(r))
                           for _ in r.times()]
    found["lists"] = [dict(name=r.string(), redistribution=r.number("u8"), type=r.string(), items=r.number("u64"),
                           references=read_references(r)) for _ in r.times()]
    found["parts"] = [dict(kind=r.number("u8"), name=r.string(), number=r.number("u64"),
                           references=read_references(r)) for _ in r.times()]
    return found


def read_manifest(content):
    r = Reader(content)
    found = dict(id=r.number("u64"), epoch=r.number("u64"), completed=r.number("i64"), key_groups=r.number("u32"),
                 bytes=r.number("u64"), last=truth(r))
    found["instances"] = [read_instance(r) for _ in r.times()]
    r.end()
    return found


def read_cell(state, has_mark, decoder, cell):
    """Applies what a cell says to what was there; None is empty."""
    reader = decoder.reader
    kind, a_type, lives = state["kind"], state["parsed"], state["time_to_live"]
    time = lambda: shown_time(reader.number("i64")) if lives else None
    if kind == "list":
        base, elements = cell or (0, [])
        first, start = reader.number("u64"), reader.number("u64")
        elements = elements[max(0, first - base):max(0, start - base)] if first >= base else []
        if start > first + len(elements):
            raise Damaged(f"expected elements from {first + len(elements)} on, found {start}")
        for _ in reader.times(0):
            refreshed = time()
            elements.append((decoder.alone(a_type.parts[0]), refreshed))
        return (first, elements) if elements else None
    if kind == "map":
        entries = {} if truth(reader) else dict(cell or {})
        for _ in reader.times():
            entries.pop(json.dumps(decoder.alone(a_type.parts[0])), None)
        for _ in reader.times():
            refreshed = time()
            key = decoder.alone(a_type.parts[0])
            entries[json.dumps(key)] = (key, decoder.alone(a_type.parts[1]), refreshed)
        return entries or None
    if kind == "timers":
        found = []
        for _ in reader.times(9):
            found.append(dict(time=shown_time(reader.number("i64")), domain=["event", "processing"][truth(reader)]))
        return found or None
    if has_mark and not truth(reader):
        return None
    refreshed = time()
    value = decoder.alone(a_type)
    return (value, refreshed)


CELLS_WITH_MARK = {"value", "reducing", "aggregating", "folding"}
CELLS_THAT_MAY_HAVE_MARK = {"reduce", "aggregate", "count"}


def read_cells(state, cells, old):
    """All cells of a section. What the types leave open is found by trying: only one reading fills the bytes."""
    kind = state["kind"]
    if kind in CELLS_WITH_MARK or kind.startswith("windows of "):
        marks = (True,)
    elif kind in CELLS_THAT_MAY_HAVE_MARK:
        marks = (False, True)
    elif kind in ("list", "map", "timers"):
        marks = (False,)
    else:
        raise Undecodable(f'state "{state["name"]}" is of the kind "{kind}", which another version has written')
    problem = None
    for mark, shared, up in itertools.product(marks, (False, True), range(4)):
        reader = Reader(cells)
        try:
            found = [read_cell(state, mark, Decoder(reader, shared, up), cell) for cell in old]
            reader.end()
            return found
        except (Damaged, Undecodable) as another:
            problem = problem or another
    raise problem


def read_section(reader, instance, rows):
    keys = []
    for _ in reader.times():
        keys.append(Decoder(reader).alone(instance["key"]))
    names = [json.dumps(key) for key in keys]
    if len(set(names)) != len(names):
        raise Damaged("a key comes twice in a section")
    for name, key in zip(names, keys):
        rows.setdefault(name, (key, [None] * len(instance["states"])))
    for i, state in enumerate(instance["states"]):
        cells = reader.text()
        found = at(f'state "{state["name"]}"', read_cells, state, cells, [rows[name][1][i] for name in names])
        for name, cell in zip(names, found):
            rows[name][1][i] = cell


def checked_blob(store, reference, uid):
    if reference["operator"] != hash_of(uid.encode()):
        raise Damaged("it is of another operator")
    key = struct.pack(">QQBQ", reference["checkpoint"], reference["operator"], reference["kind"], reference["index"])
    content = store.blob(key, reference["length"])
    if len(content) != reference["length"] or hash_of(content) != reference["checksum"]:
        raise Damaged(f"expected {reference['length']} bytes with the checksum {reference['checksum']:016x}, found "
                      f"{len(content)} with {hash_of(content):016x}")
    return content


def read_key_group(store, instance, group):
    rows = {}
    for position, reference in enumerate(group["references"]):
        allowed = (KEY_GROUP, DELTA) if position == 0 else (DELTA,)
        index = group["key_group"] << 32 | (position if reference["kind"] == DELTA else 0)
        if reference["kind"] not in allowed or reference["index"] != index:
            raise Damaged(f"reference {position} is to kind {reference['kind']}, index {reference['index']:#x}: "
                          "another version has written it")
        reader = Reader(checked_blob(store, reference, instance["uid"]))
        while reader.rest():
            read_section(reader, instance, rows)
    rows = [row for row in rows.values() if any(cell is not None for cell in row[1])]
    if len(rows) != group["entries"]:
        raise Damaged(f"expected {group['entries']} entries, found {len(rows)}")
    return rows


def shown_cell(state, cell):
    """Value, and when it was refreshed, as `weir state scan` prints them."""
    kind = state["kind"]
    if kind == "timers":
        return dict(value=cell)
    if kind == "list":
        found = dict(value=[value for value, _ in cell[1]], refreshed=[time for _, time in cell[1]])
    elif kind == "map":
        found = dict(value=shown_map([(key, value) for key, value, _ in cell.values()]),
                     refreshed=shown_map([(key, time) for key, _, time in cell.values()]))
    elif kind.startswith("windows of "):
        fields = list(cell[0].values()) if isinstance(cell[0], dict) else cell[0]
        return dict(value=dict(zip(("content", "has_content", "panes"), fields)))
    else:
        found = dict(value=cell[0], refreshed=cell[1])
    if not state["time_to_live"]:
        del found["refreshed"]
    return found


def shown_key(state, key):
    return dict(key=key[0], start=shown_time(key[1])) if state["kind"].startswith("windows of ") else key


def read_keyed(store, instance, states):
    if instance["states"]:
        instance["key"] = parse(instance["key_type"])
    for state in instance["states"]:
        state["parsed"] = parse(state["type"])
        kept = states.setdefault((instance["uid"], state["name"]), dict(
            operator=instance["uid"], state=state["name"], shape="keyed", kind=state["kind"],
            time_to_live=state["time_to_live"], key_type=instance["key_type"], type=state["type"], rows=[]))
        state["rows"] = kept["rows"]
    for group in instance["key_groups"]:
        rows = at(f'key group {group["key_group"]} of operator "{instance["uid"]}"', read_key_group, store, instance,
                  group)
        for key, cells in rows:
            for state, cell in zip(instance["states"], cells):
                if cell is not None:
                    state["rows"].append(dict(key=shown_key(state, key)) | shown_cell(state, cell))


def only_reference(part, checkpoint, kind):
    if len(part["references"]) != 1:
        raise Damaged(f"expected one reference, found {len(part['references'])}: another version has written it")
    reference = part["references"][0]
    if (reference["checkpoint"], reference["kind"]) != (checkpoint, kind):
        raise Damaged(f"it refers to kind {reference['kind']} under checkpoint {reference['checkpoint']}: another "
                      "version has written it")
    return reference


def read_list(store, checkpoint, instance, part):
    reader = Reader(checked_blob(store, only_reference(part, checkpoint, LIST), instance["uid"]))
    found = []
    for _ in reader.times(8):
        item = Reader(reader.text())
        found.append({"hex": item.data.hex()} if part["type"] == "raw" else Decoder(item).alone(parse(part["type"])))
        if part["type"] != "raw":
            item.end()
    reader.end()
    if len(found) != part["items"]:
        raise Damaged(f"expected {part['items']} items, found {len(found)}")
    return found


def read_lists(store, checkpoint, instance, states):
    for part in instance["lists"]:
        where = f'state "{part["name"]}" of operator "{instance["uid"]}", instance {instance["instance"]}'
        if part["redistribution"] not in REDISTRIBUTIONS:
            raise Damaged(f"{where}: redistribution {part['redistribution']}: another version has written it")
        kept = states.setdefault((instance["uid"], part["name"]), dict(
            operator=instance["uid"], state=part["name"], shape="list", kind=REDISTRIBUTIONS[part["redistribution"]],
            time_to_live=False, key_type="", type=part["type"], rows=[]))
        for item in at(where, read_list, store, checkpoint, instance, part):
            kept["rows"].append(dict(value=item, instance=instance["instance"]))


def read_channel(store, checkpoint, instance, part):
    reader = Reader(checked_blob(store, only_reference(part, checkpoint, CHANNEL), instance["uid"]))
    a_type, count = reader.string(), reader.number("u64")
    record, items, records = parse(a_type), [], 0
    while reader.rest():
        item = reader.number("u8")
        if item == 0:
            number, columns = reader.number("u32"), reader.number("u8")
            times = [reader.number("i64") for _ in range(number)] if columns & 1 else []
            hashes = [reader.number("u64") for _ in range(number)] if columns & 2 else []
            items.append(dict(records=[Decoder(reader).alone(record) for _ in range(number)],
                              times=[shown_time(time) for time in times], hashes=hashes))
            records += number
        elif item == 1:
            items.append(dict(watermark=shown_time(reader.number("i64"))))
        elif item == 2:
            items.append(dict(idle=True))
        elif item == 3:
            items.append(dict(what=reader.number("u8"), partition=reader.number("u64")))
        else:
            raise Damaged(f"item {item}: another version has written it")
    if records != count:
        raise Damaged(f"expected {count} records, found {records}")
    number = part["number"]
    return dict(sender=part["name"], sender_instance=number >> 32, output_port=number >> 16 & 0xFFFF,
                input_port=number & 0xFFFF, receiver=instance["uid"], instance=instance["instance"], type=a_type,
                items=items)


def finish_list(state):
    """A list of pairs with full union that only instance 0 has written is shown as broadcast state."""
    items, state["rows"] = state["rows"], [dict(value=row["value"]) for row in state["rows"]]
    if state["kind"] != "full union" or state["state"].startswith("weir.") or state["type"] == "raw":
        return
    pair = parse(state["type"])
    if (pair.kind != "class" or len(pair.parts) != 2 or any(pair.names) or pair.size is not None
            or any(row["instance"] for row in items)):
        return
    state.update(shape="broadcast", key_type=pair.parts[0].text, type=pair.parts[1].text,
                 rows=[dict(key=row["value"][0], value=row["value"][1]) for row in state["rows"]])


def read_checkpoint(store, number):
    manifest = at("manifest", read_manifest, store.manifests[number])
    if manifest["id"] != number:
        raise Damaged(f"its manifest is that of checkpoint {manifest['id']}")
    states, channels, size = {}, [], 0
    for instance in manifest["instances"]:
        read_keyed(store, instance, states)
        read_lists(store, number, instance, states)
        for part in instance["parts"]:
            where = f'channel from "{part["name"]}" to "{instance["uid"]}"'
            if part["kind"] != CHANNEL:
                raise Damaged(f'part "{part["name"]}" is of kind {part["kind"]}: another version has written it')
            channels.append(at(where, read_channel, store, number, instance, part))
        size += sum(reference["length"] for part in
                    instance["key_groups"] + instance["lists"] + instance["parts"] for reference in part["references"])
    if size != manifest["bytes"]:
        raise Damaged(f"expected {manifest['bytes']} bytes in all its blobs, found {size}")
    for state in states.values():
        if state["shape"] == "list":
            finish_list(state)
    return dict(id=number, completed=shown_time(manifest["completed"]), attempt=manifest["epoch"],
                bytes=manifest["bytes"], operators=len({instance["uid"] for instance in manifest["instances"]}),
                key_groups=manifest["key_groups"], last=manifest["last"], states=list(states.values()),
                channels=channels)


def read(path, only=None):
    store = opened(path)
    if only is not None and only not in store.manifests:
        raise Damaged(f"{path}: there is no checkpoint {only}, only {sorted(store.manifests)}")
    numbers = sorted(store.manifests) if only is None else [only]
    return dict(job=store.job, attempt=store.attempt,
                checkpoints=[at(f"checkpoint {number}", read_checkpoint, store, number) for number in numbers])


def main():
    arguments = argparse.ArgumentParser(description="Prints what is in a checkpoint directory or savepoint file.")
    arguments.add_argument("path", help="a checkpoint directory, or a savepoint file")
    arguments.add_argument("--at", type=int, metavar="N", help="only checkpoint N")
    given = arguments.parse_args()
    try:
        print(json.dumps(read(given.path, given.at), indent=1))
    except (Damaged, Undecodable, OSError) as problem:
        sys.exit(f"read_checkpoint.py: {problem}")


if __name__ == "__main__":
    main()
