"""Reads an LMDB file (data format 1) with ordinary reads.

LMDB itself maps the file and trusts what it finds there: on a damaged file it ends the process. Here every
page is checked as it is reached, and what does not fit is an error.
"""

import struct

PAGE_HEAD = 16
BRANCH, LEAF, OVERFLOW, META = 1, 2, 4, 8
BIG, SUB_DATABASE, DUPLICATES = 1, 2, 4
NO_PAGE = 2**64 - 1


class Damaged(Exception):
    """Something stored is not as the format says it must be."""


class LmdbFile:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        self.path = path
        self.reached = set()
        metas = [self._meta(number) for number in (0, 1)]
        if abs(metas[0]["transaction"] - metas[1]["transaction"]) > 1:
            raise Damaged(f"{path}: expected the meta pages to be of transactions in a row, found "
                          f"{metas[0]['transaction']} and {metas[1]['transaction']}")
        newest = max(metas, key=lambda meta: meta["transaction"])
        self.last_page = newest["last_page"]
        if (self.last_page + 1) * self.page_size > len(self.data):
            raise Damaged(f"{path}: expected {self.last_page + 1} pages, found {len(self.data)} bytes")
        # The free pages hold no checkpoint, but that no page is both free and in use is worth knowing.
        free = set()
        for _, value in self._records("the free list", newest["free"]):
            count, *pages = struct.unpack(f"<{len(value) // 8}Q", value[:len(value) // 8 * 8]) or (-1,)
            if count != len(pages):
                raise Damaged(f"{path}: a record of the free list has {len(value)} bytes and names {len(pages)} pages")
            free.update(pages)
        self.databases = {}
        for key, value in self._records("the main database", newest["main"], SUB_DATABASE):
            name = key.decode("utf-8", "backslashreplace")
            self.databases[name] = list(self._records(f'"{name}"', value))
        if free & self.reached:
            raise Damaged(f"{path}: page {min(free & self.reached)} is both free and in use")

    def _meta(self, number):
        if len(self.data) < 2 * 4096:
            raise Damaged(f"{self.path}: expected two meta pages, found {len(self.data)} bytes")
        if number == 0:
            self.page_size = struct.unpack_from("<I", self.data, PAGE_HEAD + 24)[0]
            if self.page_size not in (4096, 8192, 16384, 32768) or 2 * self.page_size > len(self.data):
                raise Damaged(f"{self.path}: meta page 0 says pages have {self.page_size} bytes")
        at = number * self.page_size
        page, flags = struct.unpack_from("<Q2xH", self.data, at)
        magic, version, _, _ = struct.unpack_from("<IIQQ", self.data, at + PAGE_HEAD)
        last_page, transaction = struct.unpack_from("<QQ", self.data, at + PAGE_HEAD + 24 + 2 * 48)
        size, = struct.unpack_from("<I", self.data, at + PAGE_HEAD + 24)
        if (page, flags, magic, version, size) != (number, META, 0xBEEFC0DE, 1, self.page_size):
            raise Damaged(f"{self.path}: page {number} is no meta page of LMDB's data format 1")
        if transaction & 1 != number and transaction != 0:
            raise Damaged(f"{self.path}: meta page {number} says that it is of transaction {transaction}")
        records = [self.data[at + PAGE_HEAD + 24 + i * 48:][:48] for i in (0, 1)]
        return {"last_page": last_page, "transaction": transaction, "free": records[0], "main": records[1]}

    def _page(self, what, number, kind):
        if not 2 <= number <= self.last_page:
            raise Damaged(f"{self.path}: {what}: page {number} is not in the file")
        if number in self.reached:
            raise Damaged(f"{self.path}: {what}: page {number} is reached twice")
        self.reached.add(number)
        at = number * self.page_size
        page, flags = struct.unpack_from("<Q2xH", self.data, at)
        if page != number or flags & ~0x10 not in kind:
            raise Damaged(f"{self.path}: {what}: expected page {number}, found page {page} with flags {flags:#x}")
        return at, flags

    def _records(self, what, record, node_flags=0):
        """All keys and values of a database, whose 48 bytes are `record`."""
        if len(record) != 48:
            raise Damaged(f"{self.path}: {what}: expected a record of 48 bytes, found {len(record)}")
        _, flags, depth, branches, leaves, overflows, entries, root = struct.unpack("<IHHQQQQQ", record)
        # The free list has numbers for keys, and bits that mean the whole file.
        is_free_list = what == "the free list"
        if not flags & 8 if is_free_list else flags:
            raise Damaged(f"{self.path}: {what}: it is of another kind, with the flags {flags:#x}")
        found = []
        before = len(self.reached)
        if root != NO_PAGE:
            self._walk(what, root, depth, node_flags, found)
        if (len(found), len(self.reached) - before) != (entries, branches + leaves + overflows):
            raise Damaged(f"{self.path}: {what}: expected {entries} entries in {branches + leaves + overflows} pages, "
                          f"found {len(found)} in {len(self.reached) - before}")
        if not is_free_list and any(a[0] >= b[0] for a, b in zip(found, found[1:])):
            raise Damaged(f"{self.path}: {what}: its keys are out of order")
        return found

    def _walk(self, what, number, depth, node_flags, found):
        at, flags = self._page(what, number, {LEAF} if depth == 1 else {BRANCH})
        lower, upper = struct.unpack_from("<HH", self.data, at + 12)
        if not PAGE_HEAD <= lower <= upper <= self.page_size or lower % 2:
            raise Damaged(f"{self.path}: {what}: page {number} says that it is free from {lower} to {upper}")
        for i in range((lower - PAGE_HEAD) // 2):
            node, = struct.unpack_from("<H", self.data, at + PAGE_HEAD + 2 * i)
            if not upper <= node <= self.page_size - 8:
                raise Damaged(f"{self.path}: {what}: entry {i} of page {number} is not in the page")
            low, high, mark, key_size = struct.unpack_from("<HHHH", self.data, at + node)
            end = node + 8 + key_size
            if flags & BRANCH:
                if end > self.page_size:
                    raise Damaged(f"{self.path}: {what}: entry {i} of page {number} is not in the page")
                self._walk(what, low | high << 16 | mark << 32, depth - 1, node_flags, found)
                continue
            size = low | high << 16
            if mark & ~BIG != node_flags or end + (8 if mark & BIG else size) > self.page_size:
                raise Damaged(f"{self.path}: {what}: entry {i} of page {number} is not as LMDB writes it")
            key = self.data[at + node + 8:at + end]
            value = self.data[at + end:at + end + size]
            if mark & BIG:
                value = self._overflow(what, struct.unpack_from("<Q", self.data, at + end)[0], size)
            found.append((key, value))

    def _overflow(self, what, number, size):
        at, _ = self._page(what, number, {OVERFLOW})
        pages, = struct.unpack_from("<I", self.data, at + 12)
        if pages != (PAGE_HEAD + size - 1) // self.page_size + 1 or number + pages - 1 > self.last_page:
            raise Damaged(f"{self.path}: {what}: page {number} says that {pages} pages hold {size} bytes")
        for page in range(number + 1, number + pages):
            if page in self.reached:
                raise Damaged(f"{self.path}: {what}: page {page} is reached twice")
            self.reached.add(page)
        return self.data[at + PAGE_HEAD:at + PAGE_HEAD + size]
