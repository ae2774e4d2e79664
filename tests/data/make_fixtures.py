#!/usr/bin/env python3
"""Make the stored files that the tests of src/data read, with the tools that users make such files with.

    python3 tests/data/make_fixtures.py      needs numpy, and gzip, xz, zstd and tar on the PATH

Everything is written beside this script. The values follow simple formulas, which the tests know too.
"""
import io
import os
import subprocess
import tarfile

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
os.chdir(here)


def write(name, data):
    with open(name, "wb") as file:
        file.write(data)


def idx(array, code):
    head = bytes([0, 0, code, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


# IDX: 6 pictures of 4 x 5, value = 20 i + 5 y + x; labels i % 3
pictures = np.arange(6 * 4 * 5, dtype=np.uint8).reshape(6, 4, 5)
labels = (np.arange(6) % 3).astype(np.uint8)
write("pictures.idx", idx(pictures, 0x08))
write("labels.idx", idx(labels, 0x08))
write("vectors_f4.idx", idx((np.arange(12, dtype=np.float32) / 4 - 1).reshape(6, 2), 0x0D))
write("vectors_i2.idx", idx((np.arange(12, dtype=np.int16) * 300 - 1000).reshape(6, 2), 0x0B))

# the same, packed by the usual tools; and twice in one file, as `cat a.gz b.gz` makes it
for tool, ending in (("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")):
    arguments = ["-n", "-9"] if tool == "gzip" else ["-q"]
    for name in ("pictures.idx", "labels.idx"):
        packed = subprocess.run([tool, "-c", *arguments, name], check=True, capture_output=True).stdout
        write(f"{name}.{ending}", packed)
    write(f"twice.{ending}", packed + packed)

# NPY: every kind of element, both byte orders, all header versions
for name, dtype in (("b1", "?"), ("u1", "|u1"), ("i1", "|i1"), ("i2", "<i2"), ("i4_big", ">i4"), ("i8", "<i8"), ("f2", "<f2"), ("f4", "<f4"),
                    ("f8_big", ">f8")):
    np.save(f"{name}.npy", (np.arange(6) % 2 if dtype == "?" else np.arange(6) * 3 - (0 if dtype == "|u1" else 5)).reshape(2, 3).astype(dtype))
np.save("fortran.npy", np.asfortranarray(np.arange(6, dtype="<i4").reshape(2, 3)))
np.save("complex.npy", np.zeros(2, dtype="<c8"))
for version in ((2, 0), (3, 0)):
    out = io.BytesIO()
    np.lib.format.write_array(out, np.arange(6, dtype="<i4").reshape(2, 3), version=version)
    write(f"version{version[0]}.npy", out.getvalue())

# NPZ: train and test in one archive (stored and deflated), pictures with their channels first, and who made them
x = np.arange(4 * 2 * 3 * 3, dtype=np.uint8).reshape(4, 2, 3, 3)
arrays = {"x_train": x, "y_train": np.array([0, 1, 2, 1]), "who_train": np.array([0, 0, 1, 2]), "x_test": x[:2] + 1, "y_test": np.array([2, 0])}
np.savez("both.npz", **arrays)
np.savez_compressed("both_deflated.npz", **arrays)
np.savez("train.npz", x=x.astype(np.float32) / 8, y=arrays["y_train"])
np.savez("test.npz", x=x[:2].astype(np.float32) / 4, y=arrays["y_test"])


# CIFAR: an archive as it is published, 2 rows a batch; pixel value = (label + 7 plane + position) % 256
def cifar_row(label, head):
    plane = np.arange(1024)
    return bytes(head) + b"".join(((label + 7 * c + plane) % 256).astype(np.uint8).tobytes() for c in range(3))


archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
    folder = tarfile.TarInfo("cifar-10-batches-bin")
    folder.type = tarfile.DIRTYPE
    tar.addfile(folder)
    for b, name in enumerate([f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]):
        data = cifar_row(b, [b]) + cifar_row(b + 1, [b + 1])
        member = tarfile.TarInfo("cifar-10-batches-bin/" + name)
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
write("cifar-10-binary.tar", archive.getvalue())
subprocess.run(["gzip", "-n", "-9", "-f", "cifar-10-binary.tar"], check=True)
write("cifar100.bin", cifar_row(42, [5, 42]) + cifar_row(99, [19, 99]))
subprocess.run(["xz", "-q", "-f", "cifar100.bin"], check=True)
