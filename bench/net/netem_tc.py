"""Links that the kernel makes late, lossy and slow by itself: tc netem. One namespace is the wire: in it each device has a bridge of two ports, one towards the device and one towards
the hub, another bridge, where the coordinator is. netem is on what leaves these two ports, so an interface's own counters are of what its machine has sent, whether or not it gets there,
and of what has got there."""

import json
import select
import socket
import subprocess
import threading

from netem_books import Books
from netem_system import enter, hurry, ip

ETH_P_ALL, ETHERNET_BYTES, OUTGOING = 3, 14, 4
SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33
SOL_PACKET, PACKET_STATISTICS = 263, 6
FRAME_BYTES, FRAME_BYTES_MAX = 1514, 65_536
TAP_BYTES = 64 << 20


class Queue(Books):
    """One way over one link: netem at one port of the wire."""

    def __init__(self, wire, port, line, parser):
        super().__init__(parser)
        self.wire, self.port = wire, port
        packets = (line.queue_s() + line.round_trip_s / 2) * line.rate_bit_per_s / 8 / FRAME_BYTES     # those that are under way count as well
        subprocess.run(["tc", "-n", wire, "qdisc", "add", "dev", port, "root", "netem", "limit", str(int(packets) + 1), "delay", "%dus" % (5e5 * line.round_trip_s),
                        "loss", "random", "%g%%" % (100 * line.loss), "rate", "%dbit" % line.rate_bit_per_s], check=True)

    def sent(self, frame):
        self.books["packets"] += 1
        self.books["bytes"] += len(frame)
        self.books["headers"] += ETHERNET_BYTES
        self.look_at(frame[ETHERNET_BYTES:])

    def settle(self):
        """What netem says: it counts what it lets through in bytes, and what it does not in packets, whether by chance or because its queue was full."""
        said = json.loads(subprocess.run(["tc", "-n", self.wire, "-s", "-j", "qdisc", "show", "dev", self.port], check=True, capture_output=True, text=True).stdout)[0]
        self.books["lost packets"] = said["drops"]
        self.books["lost bytes"] = self.books["bytes"] - said["bytes"]

    def losses(self):
        return "%d lost or did not fit" % self.books["lost packets"]


class Tap:
    """Copies of what an interface sends, each with its time."""

    def __init__(self, name):
        opener = threading.Thread(target=self.open, args=(name,))
        opener.start()
        opener.join()

    def open(self, name):
        enter(name)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, TAP_BYTES)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind((name, ETH_P_ALL))
        self.socket.setblocking(False)

    def read(self):
        while True:
            try:
                frame, said, _, origin = self.socket.recvmsg(FRAME_BYTES_MAX, 64)
            except BlockingIOError:
                return
            if origin[2] == OUTGOING:
                yield said[0][2], frame

    def dropped(self):
        return int.from_bytes(self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)[4:], "little")


class KernelNetwork(threading.Thread):
    """Between the coordinator's interface and those of the devices. Frames are kept until the end, and then put into the books in their order."""

    def __init__(self):
        super().__init__(daemon=True)
        self.wire, self.taps = None, []
        self.queues_up, self.queues_down = {}, {}       # by the tap's place, by address
        self.frames = []                                # (time, place of the tap, frame)
        self.over = False
        self.trouble = None

    def plug(self, name):
        """An interface of that name into the namespace of that name; nobody asks where an address is, and no frame goes where it is not for."""
        if not self.wire:
            self.wire = name + "w"
            ip("netns", "add", self.wire)
            ip("netns", "exec", self.wire, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6")
            self.bridge("hub")
        number = len(self.taps)
        ip("netns", "exec", name, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6")
        ip("-n", name, "link", "add", "name", name, "address", mac(number), "type", "veth", "peer", "name", "d%d" % number, "netns", self.wire)
        ip("-n", name, "link", "set", "dev", name, "gso_max_segs", 1)       # else a packet would be several
        if number:
            self.bridge("b%d" % number)
            ip("-n", self.wire, "link", "add", "name", "u%d" % number, "type", "veth", "peer", "name", "h%d" % number)
        own = "b%d" % number
        for port, bridge in (("d%d", own), ("u%d", own), ("h%d", "hub")) if number else (("d%d", "hub"),):
            ip("-n", self.wire, "link", "set", "dev", port % number, "master", bridge, "up")
        subprocess.run(["bridge", "-n", self.wire, "fdb", "add", mac(number), "dev", "h%d" % number if number else "d0", "master", "static"], check=True)
        ip("-n", name, "link", "set", "dev", name, "up")
        self.taps.append(Tap(name))

    def bridge(self, name):
        """One that says nothing by itself."""
        ip("-n", self.wire, "link", "add", "name", name, "type", "bridge", "mcast_snooping", 0)
        ip("-n", self.wire, "link", "set", "dev", name, "up")

    def link(self, number, address, line, parsers):
        """From the interface of that number to the coordinator, and back."""
        up, down = (Queue(self.wire, port % number, line, parser) for port, parser in zip(("u%d", "d%d"), parsers))
        self.queues_up[number], self.queues_down[bytes(map(int, address.split(".")))] = up, down
        return up, down

    def introduce(self, namespaces):
        """Everybody knows where everybody is."""
        for namespace in namespaces:
            for number, other in enumerate(namespaces):
                if other is not namespace:
                    ip("-n", namespace.name, "neighbour", "replace", other.address, "lladdr", mac(number), "dev", namespace.name, "nud", "permanent")

    def run(self):
        try:
            hurry()
            poll = select.epoll()
            for tap in self.taps:
                poll.register(tap.socket, select.EPOLLIN)
            while not self.over:
                poll.poll(0.2)
                self.read()
            self.read()
        except OSError as trouble:
            self.trouble = trouble

    def read(self):
        for place, tap in enumerate(self.taps):
            self.frames += ((time, place, frame) for time, frame in tap.read())

    def settle(self):
        """Nothing crosses any more: the books are made."""
        self.over = True
        self.join()
        if self.trouble or any(tap.dropped() for tap in self.taps):
            raise RuntimeError("not all frames were seen (%s)" % self.trouble)
        for _, place, frame in sorted(self.frames, key=lambda each: int.from_bytes(each[0][:8], "little") * 10**9 + int.from_bytes(each[0][8:16], "little")):
            queue = self.queues_up[place] if place else self.queues_down[frame[30:34]]
            queue.sent(frame)
        for queue in (*self.queues_up.values(), *self.queues_down.values()):
            queue.settle()

    def close(self):
        for tap in self.taps:
            tap.socket.close()
        if self.wire:
            subprocess.run(["ip", "netns", "del", self.wire], check=False)


def mac(number):
    return "02:00:00:00:00:%02x" % (number + 1)
