#!/usr/bin/env python3
"""A device of a Muster federation, written from docs/wire.md and src/net/muster.proto alone. It trains softmax regression (one dense layer)
by plain SGD on a file of "label,input,input,..." until the federation is over. On Debian, in Muster's folder:
    apt install protobuf-compiler python3-{protobuf,numpy,cryptography,urllib3}
    protoc -I src/net --python_out=examples/python-client muster.proto
    examples/python-client/client.py https://host:8443 FINGERPRINT TOKEN mine.csv FILE-FOR-ITS-KEY"""
import hashlib, os, pathlib, random, ssl, struct, sys, time, zlib, numpy, urllib3, muster_pb2 as wire
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

class Coordinator:
    def __init__(self, url, fingerprint, token, key, examples):
        self.key, self.examples, self.session = key, examples, {}
        certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(url.removeprefix("https://").rsplit(":", 1)))
        if hashlib.sha256(certificate).hexdigest() != fingerprint:
            raise SystemExit("the coordinator's certificate is not the one that was announced")
        retry = urllib3.Retry(None, allowed_methods=None, status_forcelist={408, 429, *range(500, 600)}, backoff_factor=random.uniform(0.8, 1.2))
        self.pool = urllib3.connection_from_url(url, cert_reqs="CERT_NONE", assert_fingerprint=fingerprint, retries=retry, timeout=120)
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        enrol = wire.Enrol(protocol=1, token=token, public_key=public, proof=key.sign(b"muster enrol 1" + token), name="python")
        self.device = self.ask("POST", "/v1/enrol", enrol, wire.Enrolled).device  # the same whenever it comes back

    def open_session(self):
        challenge = self.ask("GET", "/v1/hello", b"", wire.Hello).challenge
        signature = self.key.sign(b"muster session 1" + challenge + struct.pack("<I", self.device))
        opening = wire.OpenSession(protocol=1, device=self.device, challenge=challenge, signature=signature, num_examples=self.examples)
        self.session = {"Authorization": "Bearer " + self.ask("POST", "/v1/session", opening, wire.Session).token.hex()}

    def ask(self, method, path, body=b"", answer=None):
        """The bytes that come, or the message of class `answer` in them; an empty one: go a step back, and ask again."""
        kind, content = ("octet-stream", body) if isinstance(body, bytes) else ("x-protobuf", body.SerializeToString())
        reply = self.pool.request(method, path, body=content, headers={"Content-Type": "application/" + kind, **self.session})
        if reply.status == 401:  # no session yet, or no more; or one was to be opened, and the challenge is too old
            self.open_session()
            return answer() if path == "/v1/session" else self.ask(method, path, body, answer)
        if method == "PUT" and reply.status in (404, 409):  # other bytes are wanted: announced again, it is told which
            return answer()
        if reply.status >= 400:
            raise PermissionError("{0.code}: {0.message}".format(wire.Refusal.FromString(reply.data)))
        return answer.FromString(reply.data) if answer else reply.data

def blob_of(plain):
    chunks = [plain[at:at + 4 * 65536] for at in range(0, len(plain), 4 * 65536)]
    return b"MUBLOB1\n" + struct.pack("<QII", len(plain) // 4, 65536, 0) + b"".join(struct.pack("<II", len(c), zlib.crc32(c)) + c for c in chunks)

def plain_of(blob, digest):
    size = 8 + 4 * struct.unpack_from("<I", blob, 16)[0]  # of a chunk with its head; the last one may be shorter
    plain = b"".join(blob[at + 8:at + size] for at in range(24, len(blob), size))
    if hashlib.blake2b(plain, digest_size=32).hexdigest() != digest:
        raise ValueError("the model did not come as it was sent")
    return plain

def train(weights, examples, labels, plan):  # in place; returns the last pass's mean loss, accuracy, squared loss
    how, losses, hits = plan.train, [0], [0]
    if how.optimizer != "sgd" or any((how.momentum, how.weight_decay, how.max_steps, plan.kept, plan.memory_limit_bytes, plan.step_time_s)):
        raise ValueError("this client trains the whole model by plain SGD, and keeps within no limits")
    for _ in range(how.local_epochs):
        order, losses, hits = numpy.random.permutation(len(labels)), [], []
        for batch in numpy.split(order, range(how.batch_size, len(order), how.batch_size)):
            scores, truth = examples[batch] @ weights, labels[batch, None] == numpy.arange(weights.shape[1])
            logs = scores - numpy.logaddexp.reduce(scores, axis=1, keepdims=True)  # of the softmax
            losses.extend(-logs[truth])
            hits.extend(scores.argmax(axis=1) == labels[batch])
            weights -= plan.learning_rate * examples[batch].T @ (numpy.exp(logs) - truth) / len(batch)
    return numpy.mean(losses), numpy.mean(hits), numpy.mean(numpy.square(losses))

def do_task(coordinator, task, examples, labels):
    path, state = "/v1/tasks/%d/" % task.id, wire.UpdateState()
    try:
        before = numpy.frombuffer(plain_of(coordinator.ask("GET", "/v1/blobs/" + task.start), task.start), "<f4")
        weights = before.reshape(examples.shape[1], -1).astype(float)
        loss, accuracy, square = train(weights, examples, labels, task.plan)
    except ValueError as trouble:
        coordinator.ask("POST", path + "failed", wire.Failed(task=task.id, reason=str(trouble)))
        return print("task %d: %s" % (task.id, trouble), flush=True)
    change = (weights.ravel() - before).astype("<f4").tobytes()
    blob, digest = blob_of(change), hashlib.blake2b(change, digest_size=32).digest()
    head = wire.UpdateHead(task=task.id, device=coordinator.device, digest=digest, blob_bytes=len(blob), floats=before.size,
                           num_examples=len(labels), train_loss=loss, train_accuracy=accuracy, train_squared_loss=square).SerializeToString()
    update = wire.SignedUpdate(head=head, signature=coordinator.key.sign(b"muster update 1" + head))
    while not state.complete:
        state = coordinator.ask("POST", path + "update", update, wire.UpdateState)
        if not state.complete:
            state = coordinator.ask("PUT", path + "update?offset=%d" % state.have_bytes, blob[state.have_bytes:], wire.UpdateState)
    print("task %d: version %d, loss %.4f" % (task.id, task.plan.version, loss), flush=True)

def main(url, fingerprint, token, data, key_file):
    os.umask(0o077)  # the key is nobody else's
    if not os.path.exists(key_file):  # it is there as a whole, or not at all
        pathlib.Path(key_file + ".new").write_bytes(os.urandom(32))
        os.rename(key_file + ".new", key_file)
    key = Ed25519PrivateKey.from_private_bytes(pathlib.Path(key_file).read_bytes())
    table = numpy.loadtxt(data, delimiter=",", ndmin=2)
    labels, examples = table[:, 0].astype(int), numpy.c_[table[:, 1:], numpy.ones(len(table))]  # a last input, always 1, for the bias
    coordinator = Coordinator(url, fingerprint, bytes.fromhex(token), key, len(labels))
    job = coordinator.ask("GET", "/v1/job", b"", wire.Job)
    if job.how_method != "fedavg" or [[*tensor.shape] for tensor in job.tensors] != [[examples.shape[1] - 1, job.classes], [job.classes]]:
        raise SystemExit("this client trains models of one dense layer, with as many inputs as its data, and method how: fedavg")
    polled = wire.Polled()
    while not polled.finished:
        polled = coordinator.ask("POST", "/v1/poll", wire.Poll(hold_s=30, battery_share=-1, settled_seen=polled.settled), wire.Polled)
        time.sleep(polled.again_s * random.uniform(0.8, 1.2))
        if polled.HasField("task"):
            try:
                do_task(coordinator, polled.task, examples, labels)
            except PermissionError as refusal:  # the task is over
                print(refusal, flush=True)
    coordinator.ask("POST", "/v1/leave")

main(*sys.argv[1:])
