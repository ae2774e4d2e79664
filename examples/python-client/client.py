#!/usr/bin/env python3
"""A device of a Muster federation, written from docs/wire.md alone, for whoever writes one in a language of his own.

It trains softmax regression (a model of one dense layer) on a CSV file of "label,input,input,...", by plain SGD, and needs nothing beside Python but
the package cryptography, for Ed25519. It says that it is there between tasks only, so a task must be done within its lease.

    client.py https://host:8443 --fingerprint HEX --token HEX --data mine.csv --folder device --rounds 3
"""
import argparse, csv, hashlib, http.client, math, os, random, ssl, struct, time, urllib.parse, zlib
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# ---- Protocol Buffers: a message is a dict from field number to value; what is 0 or empty does not cross ----

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
        else:  # text, bytes, a message, a list of whole numbers
            value = value.encode() if isinstance(value, str) else pack(value) if isinstance(value, dict) else value
            value = b"".join(map(varint, value)) if isinstance(value, list) else value
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

def numbers(fields, number):
    """A list of whole numbers crosses as bytes."""
    out, data, at = [], first(fields, number, b""), 0
    while at < len(data):
        value, at = read_varint(data, at)
        out.append(value)
    return out

# ---- blobs ----

def blob_of(floats):
    out = b"MUBLOB1\n" + struct.pack("<QII", len(floats), 65536, 0)
    for begin in range(0, len(floats), 65536):
        chunk = floats[begin:begin + 65536]
        stored = struct.pack("<%df" % len(chunk), *chunk)
        out += struct.pack("<II", len(stored), zlib.crc32(stored)) + stored
    return out

def floats_of(blob, digest, count):
    magic, floats, _, encoding = struct.unpack_from("<8sQII", blob)
    raw, at = b"", 24
    while at < len(blob):
        size, crc = struct.unpack_from("<II", blob, at)
        stored, at = blob[at + 8:at + 8 + size], at + 8 + size
        if zlib.crc32(stored) != crc:
            raise ValueError("the model was damaged on its way")
        raw += stored
    if magic != b"MUBLOB1\n" or encoding or floats != count or digest_of(raw).hex() != digest:
        raise ValueError("not the model that was asked for")
    return list(struct.unpack("<%df" % count, raw))

def digest_of(data):
    return hashlib.blake2b(data, digest_size=32).digest()

# ---- requests ----

class Refused(Exception):
    pass

class Coordinator:
    def __init__(self, url, fingerprint, key, examples):
        self.url, self.fingerprint, self.key, self.examples = urllib.parse.urlsplit(url), fingerprint, key, examples
        self.connection, self.device, self.token = None, None, None

    def connect(self):
        if self.url.scheme == "http":  # on loopback addresses alone
            return http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=120)
        context = ssl.create_default_context()
        if self.fingerprint:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, timeout=120, context=context)
        connection.connect()
        if self.fingerprint and hashlib.sha256(connection.sock.getpeercert(True)).hexdigest() != self.fingerprint:
            raise SystemExit("the coordinator's certificate is not the one that was announced")
        return connection

    def once(self, method, path, body):
        headers = {"Content-Type": "application/x-protobuf"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token.hex()
        self.connection = self.connection or self.connect()
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read(), float(answer.getheader("Retry-After") or 0)

    def ask(self, method, path, body=None):
        """The answer's status and body: whatever may be better later is waited for, a session that is over is opened again."""
        wait = 1.0
        while True:
            try:
                status, data, again = self.once(method, path, body)
            except (OSError, http.client.HTTPException):
                self.connection, status, data, again = None, 503, b"", 0
            if status == 401 and self.token:
                self.open_session()
            elif again or status in (408, 429) or status >= 500:
                time.sleep((again or wait) * random.uniform(0.8, 1.2))
                wait = min(2 * wait, 300)
            elif status >= 400 and (method, status) != ("PUT", 409):
                refusal = unpack(data)  # 1: code, 2: message
                raise Refused("%s: %s" % (first(refusal, 1, b"?").decode(), first(refusal, 2, b"").decode()))
            else:
                return status, data

    def message(self, method, path, fields=None):
        return unpack(self.ask(method, path, None if fields is None else pack(fields))[1])

    def enrol(self, token, name):
        public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        answer = self.message("POST", "/v1/enrol", {1: 1, 2: token, 3: public, 4: self.key.sign(b"muster enrol 1" + token), 5: name})
        return first(answer, 1)

    def open_session(self):
        self.token = None
        challenge = first(self.message("GET", "/v1/hello"), 4)
        signature = self.key.sign(b"muster session 1" + challenge + struct.pack("<I", self.device))
        session = self.message("POST", "/v1/session", {1: 1, 2: self.device, 3: challenge, 4: signature, 6: self.examples})
        self.token = first(session, 1)

# ---- softmax regression ----

def the_dense_layer(job):
    """How many inputs and classes, and whether there is a bias."""
    shapes = [numbers(unpack(tensor), 2) for tensor in job.get(7, [])]
    bias = len(shapes) == 2 and shapes[1] == shapes[0][1:]
    if not shapes or len(shapes[0]) != 2 or not (bias or len(shapes) == 1) or first(job, 10) != b"fedavg":
        raise SystemExit("this client trains models of one dense layer, such as softmax-regression, and as method how: fedavg")
    return shapes[0][0], shapes[0][1], bias

def train(weights, layer, examples, plan):
    """Trains `weights` in place. The mean loss of the last pass, its accuracy, the mean of squared losses, and the steps."""
    inputs, classes, bias = layer
    how, rate, steps, seen = unpack(first(plan, 8)), first(plan, 4, 0.0), 0, []
    if first(how, 4) != b"sgd" or any(first(how, field) for field in (5, 7)) or first(plan, 7, b""):
        raise ValueError("this client has SGD without momentum and weight decay, and trains all of the model")
    for _ in range(first(how, 1)):
        order, seen = random.sample(examples, len(examples)), []
        for begin in range(0, len(order), first(how, 3)):
            if first(how, 2) and steps == first(how, 2):
                break
            batch, gradient = order[begin:begin + first(how, 3)], {}
            for label, pixels in batch:
                logits = weights[inputs * classes:] if bias else [0.0] * classes
                for i, x in pixels:
                    for c in range(classes):
                        logits[c] += x * weights[i * classes + c]
                top = max(logits)
                total = sum(math.exp(logit - top) for logit in logits)
                seen.append((top + math.log(total) - logits[label], logits[label] == top))
                for c in range(classes):
                    slope = (math.exp(logits[c] - top) / total - (c == label)) / len(batch)
                    for i, x in pixels + [(inputs, 1.0)] * bias:  # the bias is the row behind the last input's
                        gradient[i * classes + c] = gradient.get(i * classes + c, 0.0) + slope * x
            for at, slope in gradient.items():
                weights[at] -= rate * slope
            steps += 1
    losses = [loss for loss, _ in seen] or [0.0]
    return sum(losses) / len(losses), sum(right for _, right in seen) / len(losses), sum(loss * loss for loss in losses) / len(losses), steps

def read_examples(path, inputs, classes):
    """(label, [(index, value) where it is not 0]), for each line."""
    examples = []
    for line in csv.reader(open(path, newline="")):
        values = [float(value) for value in line[1:]]
        if len(values) != inputs or not 0 <= int(line[0]) < classes:
            raise SystemExit("%s: a line has %d inputs and label %s, the model %d and %d classes" % (path, len(values), line[0], inputs, classes))
        examples.append((int(line[0]), [(i, x) for i, x in enumerate(values) if x]))
    return examples

# ---- a device's life ----

def do_task(coordinator, task, layer, examples):
    number, plan = first(task, 1), unpack(first(task, 2))
    digest, count = first(task, 3).decode(), first(task, 4)
    try:
        before = floats_of(coordinator.ask("GET", "/v1/blobs/" + digest)[1], digest, count)
        after = list(before)
        loss, accuracy, squared, steps = train(after, layer, examples, plan)
    except ValueError as trouble:
        coordinator.ask("POST", "/v1/tasks/%d/failed" % number, pack({1: number, 2: str(trouble)}))
        return print("task %d: %s" % (number, trouble), flush=True)
    change = [a - b for a, b in zip(after, before)]
    blob = blob_of(change)
    head = pack({1: number, 2: coordinator.device, 3: digest_of(struct.pack("<%df" % count, *change)), 4: len(blob), 5: count, 6: len(examples),
                 7: steps, 8: loss, 9: accuracy, 10: squared})
    path, state = "/v1/tasks/%d/update" % number, {}
    while not first(state, 2):  # complete
        state = coordinator.message("POST", path, {1: head, 2: coordinator.key.sign(b"muster update 1" + head)})
        if not first(state, 2):
            have = first(state, 1)
            status, data = coordinator.ask("PUT", path + "?offset=%d" % have, blob[have:])
            state = {} if status == 409 else unpack(data)  # 409: another offset is wanted; the announcement's answer says which
    print("task %d: version %d, loss %.4f" % (number, first(plan, 1), loss), flush=True)

def remembered(path, make):
    """What is in the file; made and put there at the first time."""
    if not os.path.exists(path):
        with open(path + ".new", "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(make())
        os.replace(path + ".new", path)
    return open(path, "rb").read()

def main():
    arguments = argparse.ArgumentParser(description="a device of a Muster federation")
    arguments.add_argument("url")
    arguments.add_argument("--fingerprint", help="SHA-256 of the coordinator's certificate; without it, an authority must have signed it")
    arguments.add_argument("--token", help="one-time, to come in; later the folder knows the device")
    arguments.add_argument("--data", required=True, help="CSV: label,input,input,...")
    arguments.add_argument("--folder", default="device", help="keeps key and number")
    arguments.add_argument("--rounds", type=int, default=1, help="tasks to do")
    given = arguments.parse_args()
    os.makedirs(given.folder, exist_ok=True)
    key = Ed25519PrivateKey.from_private_bytes(remembered(os.path.join(given.folder, "key"), lambda: os.urandom(32)))
    with open(given.data, newline="") as file:
        coordinator = Coordinator(given.url, given.fingerprint, key, sum(1 for _ in csv.reader(file)))
    enrol = lambda: b"%d" % coordinator.enrol(bytes.fromhex(given.token or ""), "python-client")
    coordinator.device = int(remembered(os.path.join(given.folder, "number"), enrol))
    coordinator.open_session()
    layer = the_dense_layer(job := coordinator.message("GET", "/v1/job"))
    examples, done, settled = read_examples(given.data, layer[0], first(job, 3)), 0, []
    while done < given.rounds:
        polled = coordinator.message("POST", "/v1/poll", {1: 30, 3: -1.0, 5: settled})
        settled = numbers(polled, 3)
        if 1 in polled:
            try:
                do_task(coordinator, unpack(first(polled, 1)), layer, examples)
            except Refused as refusal:  # it is over, or was cancelled
                print(refusal, flush=True)
            done += 1
        elif first(polled, 5):
            break
        else:
            time.sleep(first(polled, 2, 0.0) * random.uniform(0.8, 1.2))
    coordinator.ask("POST", "/v1/leave")

if __name__ == "__main__":
    main()
