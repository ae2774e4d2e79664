"""A device that says whatever it is told to say: messages packed by hand, so that they can be wrong, and one request at a time, whose answer is looked at as it came."""

import hashlib
import http.client
import re
import ssl
import struct
import urllib.parse
import zlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# ---- Protocol Buffers: a message is a dict from field number to value; what is 0 or empty crosses too ----


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def pack(fields):
    out = b""
    for number, value in fields.items():
        if isinstance(value, float):
            out += varint(number << 3 | 1) + struct.pack("<d", value)
        elif isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:                       # text, bytes, a list of whole numbers
            value = value.encode() if isinstance(value, str) else b"".join(map(varint, value)) if isinstance(value, list) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def read_varint(data, at):
    number = shift = 0
    while True:
        number, shift, at = number | (data[at] & 127) << shift, shift + 7, at + 1
        if data[at - 1] < 128:
            return number, at


def unpack(data):
    """From field number to a list of the values that it came with: int, float or bytes."""
    fields, at = {}, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        if tag & 7 == 0:
            value, at = read_varint(data, at)
        elif tag & 7 == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        elif tag & 7 == 2:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            raise ValueError("a wire type that Muster does not use")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def first(fields, number, otherwise=0):
    return fields.get(number, [otherwise])[0]


def said(status, body):
    """\"403 not-your-task\": the status, and the Refusal's code where there is one."""
    try:
        code = first(unpack(body), 1, b"").decode() if status >= 400 else ""
        return ("%d %s" % (status, code if re.fullmatch("[a-z-]*", code) else "")).strip()
    except (ValueError, IndexError, AttributeError, UnicodeDecodeError, struct.error):
        return str(status)


# ---- floats ----

def packed(floats):
    return struct.pack("<%df" % len(floats), *floats)


def digest_of(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def floats_of(blob):
    """Of a blob that is as it should be, not compressed."""
    count, at, raw = struct.unpack_from("<Q", blob, 8)[0], 24, b""
    while at < len(blob):
        size, crc = struct.unpack_from("<II", blob, at)
        stored, at = blob[at + 8:at + 8 + size], at + 8 + size
        assert zlib.crc32(stored) == crc
        raw += stored
    return struct.unpack("<%df" % count, raw)


# ---- the device ----

def any_tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class RawDevice:
    """It asks once and takes what it gets: `got` says it in a word, `data` are its bytes. `floats`: of an update, as the job has them."""

    def __init__(self, url, examples, floats, source="127.0.0.1"):
        self.url, self.examples, self.floats, self.source = urllib.parse.urlsplit(url), examples, floats, source
        self.key = Ed25519PrivateKey.generate()
        self.connection, self.device, self.token, self.task, self.data = None, None, None, None, b""

    def stranger(self, source):
        """Who has its number and another key, and comes from an address of his own."""
        other = RawDevice.__new__(RawDevice)
        other.__dict__.update(self.__dict__, key=Ed25519PrivateKey.generate(), connection=None, token=None, source=source)
        return other

    def once(self, method, path, body):
        if not self.connection:
            self.connection = http.client.HTTPSConnection("127.0.0.1", self.url.port, timeout=30, context=any_tls(), source_address=(self.source, 0))
        headers = {"Content-Type": "application/x-protobuf"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token.hex()
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def got(self, method, path, body=None):
        """What that request gets."""
        try:
            status, self.data = self.once(method, path, body)
        except (OSError, http.client.HTTPException):    # after a refusal in the middle of a body the connection is closed
            self.connection = None
            status, self.data = self.once(method, path, body)
        return said(status, self.data)

    def granted(self, method, path, body=None):
        """The fields of an answer that must be 200."""
        got = self.got(method, path, body)
        assert got == "200", "%s %s got %s" % (method, path, got)
        return unpack(self.data)

    # ---- coming in ----

    def enrolment(self, token, proof=None, public=None):
        own = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {1: 1, 2: token, 3: public or own, 4: proof or self.key.sign(b"muster enrol 1" + token), 5: "bad"}

    def opening(self, challenge=None, device=None, signature=None):
        device = self.device if device is None else device
        if challenge is None:
            challenge = first(self.granted("GET", "/v1/hello"), 4)
        return {1: 1, 2: device, 3: challenge, 4: signature or self.key.sign(b"muster session 1" + challenge + struct.pack("<I", device)), 6: self.examples}

    def open_session(self):
        self.token = None
        self.token = first(self.granted("POST", "/v1/session", pack(self.opening())), 1)

    def come_in(self, token):
        self.device = first(self.granted("POST", "/v1/enrol", pack(self.enrolment(token))), 1)
        self.open_session()
        return self

    # ---- its task ----

    def poll(self, hold_s=0):
        answer = self.granted("POST", "/v1/poll", pack({1: hold_s, 3: -1.0}))
        if 1 in answer:
            self.task = unpack(first(answer, 1))
        return answer

    def start(self):
        """The floats that its task starts from."""
        assert self.got("GET", "/v1/blobs/" + first(self.task, 3).decode()) == "200"
        return floats_of(self.data)

    def path(self, task=None):
        return "/v1/tasks/%d/update" % (task or first(self.task, 1))

    def head(self, blob, content, **changes):
        """Of an update; `changes` by the names that docs/wire.md gives its fields."""
        fields = dict(task=first(self.task, 1), device=self.device, digest=digest_of(packed(content)), blob_bytes=len(blob), floats=self.floats, num_examples=self.examples,
                      steps=3, train_loss=1.0, train_accuracy=0.5, train_squared_loss=1.0)
        fields.update(changes)
        return pack(dict(enumerate(fields.values(), 1)))

    def announce(self, head, key=None, path=None):
        return self.got("POST", path or self.path(), pack({1: head, 2: (key or self.key).sign(b"muster update 1" + head)}))

    def send(self, blob, content, **changes):
        """Announced, and if that is granted sent: what it gets in the end."""
        got = self.announce(self.head(blob, content, **changes))
        return self.got("PUT", self.path() + "?offset=0", blob) if got == "200" else got

    def give_up(self):
        return self.got("POST", "/v1/tasks/%d/failed" % first(self.task, 1), pack({1: first(self.task, 1), 2: "was bad"}))
