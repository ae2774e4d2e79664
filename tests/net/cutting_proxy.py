"""A network that is no good: a TCP proxy that holds bytes up, lets a part of them through, and cuts connections, by chance."""

import random
import socket
import struct
import threading
import time

PIECE_BYTES = 2048


def part(*ends, reset=False):
    """Close them, whoever is reading from them too."""
    for end in ends:
        try:
            if reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass                    # it was closed before
        end.close()


class CuttingProxy:
    """Listens at `address`, on 127.0.0.1, and goes on to `port` there. `cut_share` of the connections are cut, each after a number of bytes, in either direction, that
    is drawn uniformly in its logarithm from `cut_bytes`; some fall silent for a while first. A piece is held up for up to `delay_s` in `delay_share` of cases."""

    def __init__(self, port, seed, cut_share=0.5, cut_bytes=(300, 500_000), delay_share=0.05, delay_s=0.1, silent_s=1.5):
        self.port = port
        self.random = random.Random(seed)
        self.cut_share, self.cut_bytes = cut_share, cut_bytes
        self.delay_share, self.delay_s, self.silent_s = delay_share, delay_s, silent_s
        self.lock = threading.Lock()
        self.connections = self.cuts = self.passed_bytes = self.lost_bytes = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                device, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.connect, args=(device,), daemon=True).start()

    def connect(self, device):
        try:
            coordinator = socket.create_connection(("127.0.0.1", self.port), timeout=5)
            coordinator.settimeout(None)
        except OSError:             # it is being started again
            device.close()
            return
        with self.lock:
            self.connections += 1
            chance = random.Random(self.random.random())
        low, high = self.cut_bytes
        limits = [low * (high / low) ** chance.random() if chance.random() < self.cut_share / 2 else float("inf") for _ in range(2)]
        pumps = ((device, coordinator, limits[0]), (coordinator, device, limits[1]))
        for source, sink, limit in pumps:
            threading.Thread(target=self.pump, args=(source, sink, int(min(limit, 1e15)), random.Random(chance.random())), daemon=True).start()

    def pump(self, source, sink, limit, chance):
        """One direction, up to `limit` bytes."""
        passed = 0
        try:
            while piece := source.recv(PIECE_BYTES):
                if chance.random() < self.delay_share:
                    time.sleep(self.delay_s * chance.random())
                through = piece[:limit - passed]
                self.pass_on(source, sink, through)
                passed += len(through)
                with self.lock:
                    self.passed_bytes += len(through)
                    self.lost_bytes += len(piece) - len(through)
                if passed == limit:
                    self.cut(source, sink, chance)
                    return
            sink.shutdown(socket.SHUT_WR)
        except OSError:             # the other direction was cut, or an end has gone
            part(source, sink)

    def pass_on(self, source, sink, piece):
        sink.sendall(piece)

    def cut(self, source, sink, chance):
        """In the middle: as if one had gone, or nobody had, or after a silence."""
        with self.lock:
            self.cuts += 1
        how = chance.choice(("reset", "end", "silence"))
        if how == "silence":
            time.sleep(self.silent_s * chance.random())
        part(source, sink, reset=how == "reset")


class DeafProxy(CuttingProxy):
    """Lets everything through but the answers to the floats of updates, which it swallows: the coordinator has them for good, and no device hears of it. Without TLS."""

    def __init__(self, port, seed):
        super().__init__(port, seed, cut_share=0, delay_share=0)
        self.uploading = set()      # sockets of devices
        self.swallowed = 0

    def pass_on(self, source, sink, piece):
        if piece.startswith(b"PUT /v1/tasks/"):
            self.uploading.add(source)
        elif sink in self.uploading and piece.startswith(b"HTTP/1.1 200"):
            self.swallowed += 1
            raise OSError("this answer gets lost")
        sink.sendall(piece)
