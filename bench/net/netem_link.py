"""Links with a delay, a loss and a rate, made in user space for kernels without tc's netem (CONFIG_NET_SCH_NETEM). Namespaces are joined by TUN interfaces, whose other ends
are here: the kernel's own TCP runs over packets that are really late, and really lost."""

import fcntl
import heapq
import os
import random
import select
import struct
import threading
import time

from netem_books import Books
from netem_system import hurry, ip

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
PACKET_BYTES_MAX = 65_536


class Direction(Books):
    """One way over one link: a queue before a line of that rate, on which some packets are lost, and which is that long."""

    def __init__(self, line, seed, parser):
        super().__init__(parser)
        self.delay_s, self.loss, self.rate_bit_per_s, self.queue_s = line.round_trip_s / 2, line.loss, line.rate_bit_per_s, line.queue_s()
        self.random = random.Random(seed)
        self.free_s = 0.0

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

    def losses(self):
        return "%d lost, %d did not fit" % (self.books["lost packets"], self.books["overflown packets"])


def open_interface(name):
    """A TUN interface; it is moved into its namespace by whoever asked for it, and goes when this end is closed."""
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return end


class UserNetwork(threading.Thread):
    """Between the coordinator's interface and those of the devices, each over its own link."""

    def __init__(self, seed):
        super().__init__(daemon=True)
        self.seed = seed
        self.ends = []                      # of interfaces; the first is the coordinator's
        self.up, self.down = {}, {}         # by interface, by address: (the Direction, where it leads)
        self.under_way, self.sequence = [], 0
        self.over = False
        self.trouble = None

    def plug(self, name):
        """An interface of that name into the namespace of that name."""
        self.ends.append(open_interface(name))
        ip("link", "set", "dev", name, "netns", name)

    def link(self, number, address, line, parsers):
        """From the interface of that number to the coordinator, and back."""
        link = [Direction(line, 2 * (number - 1) + n + 1000 * self.seed, parser) for n, parser in enumerate(parsers)]
        self.up[self.ends[number]] = link[0], self.ends[0]
        self.down[bytes(map(int, address.split(".")))] = link[1], self.ends[number]
        return link

    def introduce(self, namespaces):
        """There is nothing below addresses here."""

    def settle(self):
        """Nothing crosses any more: the books are made."""
        self.over = True
        if self.is_alive():
            self.join()

    def close(self):
        self.settle()
        for end in self.ends:
            os.close(end)

    def run(self):
        try:
            hurry()
            self.route()
        except (RuntimeError, OSError, IndexError, KeyError) as trouble:
            self.trouble = trouble

    def route(self):
        poll = select.epoll()
        for interface in self.ends:
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
            direction, to = self.down.get(packet[16:20], (None, None)) if interface == self.ends[0] else self.up[interface]
            if direction is None:
                continue            # not for a device: nobody else is there
            now_s = time.monotonic()
            due_s = direction.push(packet, now_s)
            if due_s is not None:
                self.sequence += 1  # packets that are due together keep their order
                heapq.heappush(self.under_way, (due_s, self.sequence, to, packet))
