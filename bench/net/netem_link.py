"""Links with a delay, a loss and a rate, made in user space for kernels without tc's netem (CONFIG_NET_SCH_NETEM), and books of what crosses them. Namespaces are joined by
TUN interfaces, whose other ends are here: the kernel's own TCP runs over packets that are really late, and really lost."""

import collections
import fcntl
import heapq
import os
import random
import select
import struct
import threading
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
PACKET_BYTES_MAX = 65_536


class Records:
    """A TLS 1.3 stream as its records: how many, and how much of them is plaintext. Each adds five bytes in front, and a byte and a tag of sixteen behind."""

    def __init__(self):
        self.head, self.left, self.is_data = b"", 0, False
        self.books = collections.Counter()

    def feed(self, data):
        while data:
            if self.left:
                took = min(self.left, len(data))
                self.left, data = self.left - took, data[took:]
                continue
            took = 5 - len(self.head)
            self.head, data = self.head + data[:took], data[took:]
            if len(self.head) == 5:
                self.left = int.from_bytes(self.head[3:], "big")
                if self.head[0] == 23:
                    self.books["records"] += 1
                    self.books["plaintext"] += self.left - 17
                else:
                    self.books["handshake"] += 5 + self.left
                self.head = b""


class Bodies:
    """A stream of plain HTTP as heads and bodies; of what sort a body is, the request's first line says, which both directions share."""

    def __init__(self, asked, is_answer):
        self.asked, self.is_answer = asked, is_answer
        self.head, self.left, self.sort = b"", 0, None
        self.books = collections.Counter()

    def feed(self, data):
        while data:
            if self.left:
                took = min(self.left, len(data))
                self.books[self.sort] += took
                self.left, data = self.left - took, data[took:]
                continue
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            lines, data, self.head = self.head[:end].split(b"\r\n"), self.head[end + 4:], b""
            self.books["heads"] += end + 4
            self.begin(lines)

    def begin(self, lines):
        if self.is_answer and lines[0].split()[1].startswith(b"1"):
            return                  # only says that the body may come
        if self.is_answer:
            self.sort = "blobs" if self.asked.popleft().startswith(b"GET /v1/blobs/") else "messages"
        else:
            self.asked.append(lines[0])
            self.books["requests"] += 1
            self.sort = "blobs" if lines[0].startswith(b"PUT ") else "messages"
        lengths = [line for line in lines if line.lower().startswith(b"content-length:")]
        self.left = int(lengths[0].split(b":")[1]) if lengths else 0


class Direction:
    """One way over one link: a queue before a line of that rate, on which some packets are lost, and which is that long."""

    def __init__(self, delay_s, loss, rate_bit_per_s, seed, parser):
        self.delay_s, self.loss, self.rate_bit_per_s = delay_s, loss, rate_bit_per_s
        self.queue_s = max(0.2, 2 * delay_s)
        self.random = random.Random(seed)
        self.free_s = 0.0
        self.parser = parser        # makes a parser of a new connection's stream
        self.next_byte = {}         # by ports: of the stream
        self.streams = {}
        self.books = collections.Counter()

    def push(self, packet, now_s):
        """When it arrives; None: it does not."""
        self.look_at(packet)
        self.books["packets"] += 1
        self.books["bytes"] += len(packet)
        if self.free_s - now_s > self.queue_s:
            self.books["overflown packets"] += 1
            self.books["lost bytes"] += len(packet)
            return None
        self.free_s = max(self.free_s, now_s) + 8 * len(packet) / self.rate_bit_per_s
        if self.random.random() < self.loss:
            self.books["lost packets"] += 1
            self.books["lost bytes"] += len(packet)
            return None
        return self.free_s + self.delay_s

    def look_at(self, packet):
        """What of it is the stream's, and new. It comes from where it was sent, so new bytes come in their order."""
        if packet[0] >> 4 != 4 or packet[9] != 6:
            self.books["headers"] += len(packet)
            return
        ip_bytes = 4 * (packet[0] & 15)
        ports, sequence = packet[ip_bytes:ip_bytes + 4], int.from_bytes(packet[ip_bytes + 4:ip_bytes + 8], "big")
        payload = packet[ip_bytes + 4 * (packet[ip_bytes + 12] >> 4):]
        self.books["headers"] += len(packet) - len(payload)
        if packet[ip_bytes + 13] & 2:       # SYN
            if self.next_byte.get(ports) != (sequence + 1) & 0xFFFFFFFF:
                self.books["connections"] += 1
                self.next_byte[ports] = (sequence + 1) & 0xFFFFFFFF
                self.streams[ports] = self.parser(ports)
            return
        if not payload:
            return
        known = (self.next_byte[ports] - sequence) & 0xFFFFFFFF
        known = known - (1 << 32) if known >> 31 else known
        if known < 0:
            raise RuntimeError("bytes of a stream have passed by unseen")
        self.books["repeated"] += min(known, len(payload))
        if known < len(payload):
            self.books["stream"] += len(payload) - known
            self.next_byte[ports] = (sequence + len(payload)) & 0xFFFFFFFF
            self.streams[ports].feed(payload[known:])

    def total(self):
        whole = self.books.copy()
        for stream in self.streams.values():
            whole.update(stream.books)
        return whole


def open_interface(name):
    """A TUN interface; it is moved into its namespace by whoever asked for it, and goes when this end is closed."""
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return end


def hurry():
    """This thread comes before all that is ordinary: a link that waits for a processor would be another link. Programs that it starts are ordinary again."""
    os.sched_setscheduler(threading.get_native_id(), os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


class Router(threading.Thread):
    """Between the coordinator's interface and those of the devices, each over its own link."""

    def __init__(self, coordinator):
        super().__init__(daemon=True)
        self.coordinator = coordinator
        self.up, self.down = {}, {}         # by interface, by address: (the Direction, where it leads)
        self.under_way, self.sequence = [], 0
        self.over = False
        self.trouble = None

    def add(self, interface, address, up, down):
        self.up[interface] = up, self.coordinator
        self.down[address] = down, interface

    def run(self):
        try:
            hurry()
            self.route()
        except (RuntimeError, OSError, IndexError, KeyError) as trouble:
            self.trouble = trouble

    def route(self):
        poll = select.epoll()
        for interface in (self.coordinator, *self.up):
            poll.register(interface, select.EPOLLIN)
        while not self.over:
            wait_s = min(0.2, max(0, self.under_way[0][0] - time.monotonic())) if self.under_way else 0.2
            for interface, _ in poll.poll(wait_s):
                self.read(interface)
            now_s = time.monotonic()
            while self.under_way and self.under_way[0][0] <= now_s:
                _, _, to, packet = heapq.heappop(self.under_way)
                os.write(to, packet)

    def read(self, interface):
        for _ in range(64):
            try:
                packet = os.read(interface, PACKET_BYTES_MAX)
            except BlockingIOError:
                return
            direction, to = self.down.get(packet[16:20], (None, None)) if interface == self.coordinator else self.up[interface]
            if direction is None:
                continue            # not for a device: nobody else is there
            now_s = time.monotonic()
            due_s = direction.push(packet, now_s)
            if due_s is not None:
                self.sequence += 1  # packets that are due together keep their order
                heapq.heappush(self.under_way, (due_s, self.sequence, to, packet))
