"""Decodes values by the types that are stored beside them: docs/format/checkpoint.md, "Types" and "Encoding"."""

import dataclasses
import datetime
import re
import struct

from lmdb_file import Damaged

SCALARS = {"bool": 1, "char": 1, "i8": 1, "u8": 1, "i16": 2, "u16": 2, "i32": 4, "u32": 4, "i64": 8, "u64": 8,
           "i128": 16, "u128": 16, "f32": 4, "f64": 8, "f128": 16}
UNITS = {(1, 10**9): "ns", (1, 10**6): "us", (1, 1000): "ms", (1, 1): "s", (60, 1): "min", (3600, 1): "h"}


class Undecodable(Exception):
    """The stored type does not say what the bytes mean."""


class Reader:
    """Takes bytes from the front, never more than there are."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if size > self.rest():
            raise Damaged(f"expected {size} bytes at {self.at}, found {self.rest()}")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, kind):
        return int.from_bytes(self.take(SCALARS[kind]), "little", signed=kind[0] == "i")

    def text(self):
        return self.take(self.number("u64"))

    def string(self):
        return self.text().decode("utf-8", "backslashreplace")

    def times(self, least=1):
        """A number of things that take at least so many bytes each."""
        count = self.number("u64")
        if count * least > self.rest():
            raise Damaged(f"expected {count} entries, found {self.rest()} bytes for them")
        return range(count)

    def rest(self):
        return len(self.data) - self.at

    def end(self):
        if self.rest():
            raise Damaged(f"expected the end at {self.at}, found {self.rest()} bytes more")


@dataclasses.dataclass
class Type:
    kind: str
    parts: tuple = ()         # of list, map, array, optional, variant, pointer, class
    names: tuple = ()         # of the fields of a class; None where there is none
    offsets: tuple = ()       # of the fields in memory; None where there is none
    size: int = None          # in memory; None if it does not stand so
    count: int = None         # of an array
    version: int = None
    name: str = ""            # of a type that only its name describes
    period: tuple = ()        # of a duration, of a point in time
    text: str = ""            # all of it


class Parser:
    def __init__(self, text):
        self.text, self.at = text, 0

    def skip(self, word):
        if self.text.startswith(word, self.at):
            self.at += len(word)
            return True
        return False

    def expect(self, word):
        if not self.skip(word):
            raise Undecodable(f"expected '{word}' at {self.at} of the type '{self.text}'")

    def digits(self):
        start = self.at
        while self.at < len(self.text) and self.text[self.at].isdigit():
            self.at += 1
        if start == self.at:
            raise Undecodable(f"expected a number at {self.at} of the type '{self.text}'")
        return int(self.text[start:self.at])

    def name(self):
        """As far as the brackets that are open here reach."""
        start, depth = self.at, 0
        while self.at < len(self.text):
            c = self.text[self.at]
            if depth == 0 and (c in ">}@" or self.text.startswith(", ", self.at)):
                break
            depth += (c in "<({[") - (c in ">)}]")
            self.at += 1
        return self.text[start:self.at].strip()

    def parts(self, end):
        found = [self.type()]
        while self.skip(", "):
            found.append(self.type())
        self.expect(end)
        return tuple(found)

    def fields(self, size):
        parts, names, offsets = [], [], []
        while not self.skip("}"):
            if parts:
                self.expect(", ")
            word = self.at
            while word < len(self.text) and (self.text[word].isalnum() or self.text[word] in "_ "):
                word += 1
            names.append(None)
            if word > self.at and self.text.startswith(": ", word):
                names[-1] = self.text[self.at:word]
                self.at = word + 2
            parts.append(self.type())
            offsets.append(self.digits() if self.skip("@") else None)
        version = self.digits() if self.skip(" version ") else None
        return Type("class", tuple(parts), tuple(names), tuple(offsets), size, version=version)

    def type(self):
        start = self.at
        found = self.described()
        found.text = self.text[start:self.at]
        return found

    def described(self):
        size = None
        if self.skip("struct<"):
            size = self.digits()
            self.expect(">")
        for word in ("optional", "variant", "pointer", "list", "map"):
            if self.skip(word + "<"):
                return Type(word, self.parts(">"), size=size)
        if self.skip("{"):
            return self.fields(size)
        if self.skip("array<"):
            part = self.type()
            self.expect(", ")
            count = self.digits()
            self.expect(">")
            return Type("array", (part,), count=count,
                        size=part.size * count if part.size is not None else None)
        if self.skip("duration<"):
            scalar = self.type()
            self.expect(", ")
            numerator = self.digits()
            self.expect("/")
            period = (numerator, self.digits())
            self.expect(">")
            return Type("duration", (scalar,), size=scalar.size, period=period)
        if self.skip("bytes<"):
            size = self.digits()
            if self.skip(", "):
                self.digits()
            self.expect(">")
            name = self.name()
            return Type("bytes", size=size, name=name, period=period_of(name) if size == 8 else ())
        if self.skip("..."):
            return Type("again", name=self.name())
        name = self.name()
        if name in SCALARS:
            return Type("scalar", name=name, size=SCALARS[name])
        return Type("string") if name == "string" else Type("named", name=name)


def parse(text):
    parser = Parser(text)
    found = parser.type()
    if parser.at != len(text):
        raise Undecodable(f"expected the end at {parser.at} of the type '{text}'")
    return found


def period_of(name):
    """A point in time of the system's clock: what it counts, in seconds."""
    if not name.startswith("std::chrono::time_point<") or "system_clock" not in name or "::duration<double" in name:
        return ()
    if "::duration<" not in name:
        return (1, 10**9)
    ratio = re.search(r"ratio<(\d+)l?, ?(\d+)l?>", name)
    return (int(ratio[1]), int(ratio[2])) if ratio else ()


def shown_length(count, period):
    return f"{count}{UNITS[period]}" if period in UNITS else f"{count} x {period[0]}/{period[1]}s"


def shown_time(count, period=(1, 1000)):
    """So many times period seconds after 1970, as `weir` prints times."""
    digits = {1: 0, 1000: 3, 10**6: 6, 10**9: 9}.get(period[1])
    seconds, rest = divmod(count * period[0], period[1])
    try:
        at = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    except OverflowError:
        digits = None
    if digits is None:
        return "1970 + " + shown_length(count, period)
    return at.isoformat() + (f".{rest:0{digits}}" if digits else "") + "Z"


def shown_text(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"hex": data.hex()}


class Decoder:
    """Reads one value. What its type does not say is given: whether pointers are shared, and which of the
    types around it a type within itself means, counted from the inside."""

    def __init__(self, reader, shared=False, up=0):
        self.reader, self.shared, self.up = reader, shared, up
        self.versions, self.objects, self.around = set(), {}, []

    def alone(self, a_type):
        if a_type.size is not None:
            return in_memory(a_type, self.reader.take(a_type.size))
        return self.inside(a_type)

    def inside(self, t):
        reader = self.reader
        if t.kind in ("scalar", "duration", "bytes"):
            return in_memory(t, reader.take(t.size))
        if t.kind == "string":
            return shown_text(reader.text())
        if t.kind == "list":
            return [self.inside(t.parts[0]) for _ in reader.times(0 if is_empty_class(t.parts[0]) else 1)]
        if t.kind == "map":
            return shown_map([(self.inside(t.parts[0]), self.inside(t.parts[1])) for _ in reader.times()])
        if t.kind == "array":
            return [self.inside(t.parts[0]) for _ in range(t.count)]
        if t.kind == "optional":
            return None if truth(reader) else self.inside(t.parts[0])
        if t.kind == "variant":
            index = reader.number("i32")
            if not 0 <= index < len(t.parts):
                raise Damaged(f"expected the index of one of {len(t.parts)} types, found {index}")
            return self.inside(t.parts[index])
        if t.kind == "pointer":
            return self.pointer(t)
        if t.kind == "again":
            if self.up >= len(self.around):
                raise Undecodable(f"no type around '{t.name}' fits")
            return self.inside(self.around[-1 - self.up])
        if t.kind == "class":
            if t.version is not None and id(t) not in self.versions:
                self.versions.add(id(t))
                reader.number("u32")
            self.around.append(t)
            fields = [self.inside(part) for part in t.parts]
            self.around.pop()
            return shown_class(t, fields)
        if t.name == "std::monostate":
            return None
        raise Undecodable(f"only the name of the type '{t.name}' is stored")

    def pointer(self, t):
        if not self.shared:
            return self.inside(t.parts[0]) if truth(self.reader) else None
        number = self.reader.number("u32")
        if number == 0:
            return None
        if number >> 31:
            self.objects[number & 0x7FFFFFFF] = self.inside(t.parts[0])
        if number & 0x7FFFFFFF not in self.objects:
            raise Damaged(f"object {number} is referred to before it comes")
        return self.objects[number & 0x7FFFFFFF]


def is_empty_class(t):
    return t.kind == "class" and all(is_empty_class(part) for part in t.parts)


def truth(reader):
    value = reader.number("u8")
    if value > 1:
        raise Damaged(f"expected 0 or 1, found {value}")
    return value == 1


def in_memory(t, data):
    if t.kind == "scalar":
        return scalar_in(t.name, data)
    if t.kind == "duration":
        return shown_length(scalar_in(t.parts[0].name, data), t.period)
    if t.kind == "array":
        size = t.parts[0].size
        return [in_memory(t.parts[0], data[i * size:(i + 1) * size]) for i in range(t.count)]
    if t.kind == "optional":
        return in_memory(t.parts[0], data[:t.parts[0].size]) if data[t.parts[0].size] else None
    if t.kind == "variant":
        sizes = [part.size or 0 for part in t.parts]
        index = data[max(sizes)]
        if index >= len(t.parts):
            raise Damaged(f"expected the index of one of {len(t.parts)} types, found {index}")
        return in_memory(t.parts[index], data[:sizes[index]])
    if t.kind == "class":
        offsets = t.offsets
        if None in offsets:
            if sum(part.size for part in t.parts) != t.size:
                return {"hex": data.hex()}
            offsets = [sum(part.size for part in t.parts[:i]) for i in range(len(t.parts))]
        return shown_class(t, [in_memory(part, data[at:at + part.size]) for part, at in zip(t.parts, offsets)])
    if t.kind == "named" and t.name == "std::monostate":
        return None
    if t.kind == "bytes" and t.period:
        return shown_time(int.from_bytes(data, "little", signed=True), t.period)
    return {"hex": data.hex()}


def scalar_in(name, data):
    if name == "bool":
        return data != b"\0"
    if name == "char":
        return shown_text(data)
    if name in ("f32", "f64"):
        value, = struct.unpack("<f" if name == "f32" else "<d", data)
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(str(value), value)
    if name == "f128":
        return {"hex": data.hex()}
    return int.from_bytes(data, "little", signed=name[0] == "i")


def shown_class(t, fields):
    if not any(t.names):
        return fields
    return {name or str(i): field for i, (name, field) in enumerate(zip(t.names, fields))}


def shown_map(pairs):
    if all(isinstance(key, str) for key, _ in pairs):
        return dict(pairs)
    return [list(pair) for pair in pairs]
