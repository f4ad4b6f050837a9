# SPDX-License-Identifier: GPL-2.0-only
"""Takes the kernel's ELF file, and its BTF, out of a vmlinuz."""

import struct
import subprocess
from pathlib import Path

from common import VmError

# Magic bytes of the payload of a bzImage, and who unpacks it.
DECOMPRESSORS = (
    (b"\x28\xb5\x2f\xfd", ["zstd", "-dcq"]),
    (b"\xfd7zXZ\x00", ["xz", "-dcq"]),
    (b"\x1f\x8b\x08", ["gzip", "-dcq"]),
)


def unpack(vmlinuz):
    """The vmlinux ELF image inside a bzImage, as bytes."""
    image = Path(vmlinuz).read_bytes()
    if image[:4] == b"\x7fELF":
        return image
    if image[0x202:0x206] != b"HdrS" and image[0x202:0x206] != b"SrdH":
        raise VmError(f"{vmlinuz} is not a Linux bzImage")
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start:start + length]
    for magic, command in DECOMPRESSORS:
        if payload.startswith(magic):
            # The last four bytes are the unpacked size, not part of the stream: the tools complain, and
            # have written everything by then.
            try:
                done = subprocess.run(command, input=payload[:-4], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            except FileNotFoundError:
                raise VmError(f"{command[0]} is not installed: run tools/setup")
            if done.stdout[:4] == b"\x7fELF":
                return done.stdout
    raise VmError(f"cannot unpack {vmlinuz}: unknown compression")


def section(elf, wanted):
    """The contents of one section of a 64-bit little-endian ELF file."""
    table, = struct.unpack_from("<Q", elf, 0x28)
    entry_size, count, names_index = struct.unpack_from("<HHH", elf, 0x3A)

    def header(index):
        name, _, _, _, offset, size = struct.unpack_from("<IIQQQQ", elf, table + index * entry_size)
        return name, offset, size

    _, names, _ = header(names_index)
    for index in range(count):
        name, offset, size = header(index)
        end = elf.index(b"\0", names + name)
        if elf[names + name:end] == wanted.encode():
            return elf[offset:offset + size]
    raise VmError(f"the kernel has no section {wanted}")


def btf(vmlinuz):
    return section(unpack(vmlinuz), ".BTF")
