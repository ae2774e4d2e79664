#!/usr/bin/env python3
"""A federation over bad networks: a coordinator and four devices, each in a network namespace of its own, behind links with a delay, a loss and a rate
which are made in user space (netem_link.py) or by the kernel's own `tc netem` (netem_tc.py). Shows that rounds complete, that the model is that of `muster run`, and that the
bytes which Muster counts are those that crossed.

    bench/net/netem.py --muster build/muster            as root, on Linux with TUN; over TLS
    bench/net/netem.py --muster build/muster --plain    without TLS, so that bodies can be counted on the wire, and compared to the byte
    bench/net/netem.py --muster build/muster --kernel   with tc netem, where the kernel has it; bench/net/netem_vm runs this on a kernel that does

Whoever is without TLS must have loopback addresses, so with --plain the namespaces are given some. Ends with status 1 when anything that must be equal is not."""

import argparse
import collections
import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.dont_write_bytecode = True      # beside the sources
from netem_books import Bodies, Records
from netem_link import UserNetwork
from netem_system import enter, hurry, ip
from netem_tc import KernelNetwork


class Line(collections.namedtuple("Line", "name round_trip_s loss rate_bit_per_s")):
    def queue_s(self):
        """How long a packet waits at most until the line is free."""
        return max(0.2, self.round_trip_s)


LINES = (Line("fibre", 0.02, 0.0, 50e6), Line("mobile", 0.08, 0.01, 10e6), Line("far", 0.2, 0.03, 2e6), Line("satellite", 0.6, 0.05, 0.5e6))
PORT = 8443
AT_MOST_S = 900

EXPERIMENT = """
name: netem
seed: 1
rounds: {rounds}
model: lenet5
data: {{name: writers, devices: 4{examples}}}
fleet: mixed
train: {{local_epochs: 1, batch_size: 10, learning_rate: 0.05}}
when: {{cohort: 4}}
evaluate: {{tier_examples: 0, devices: 0}}
serve: {{wait_for_devices: 4, address: "{address}:8443", status_address: "127.0.0.1:8444", tls: {tls}, reported_profiles: false}}
"""


class Namespace:
    """One with an interface of its name."""

    def __init__(self, name, address, network):
        self.name, self.address = name, address
        ip("netns", "add", name)
        network.plug(name)
        inside = ["ip", "netns", "exec", name]
        settings = ["echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"]
        if address.startswith("127."):      # is no machine's own any more
            settings += ["echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet", "ip link set dev lo up", "ip route del table local local 127.0.0.0/8 dev lo"]
        settings += ["ip link set dev lo up", "ip link set dev %s txqueuelen 10000 up" % name, "ip address add %s/24 dev %s" % (address, name)]
        subprocess.run([*inside, "sh", "-ec", "; ".join(settings)], check=True)

    def begin(self, command, log):
        return subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, command)], stdin=subprocess.DEVNULL, stdout=open(log, "wb"), stderr=subprocess.STDOUT)

    def count(self):
        """Its interface's own counters."""
        stats = json.loads(ip("-n", self.name, "-s", "-j", "link", "show", "dev", self.name))[0]["stats64"]
        return {"sent": stats["tx"]["bytes"], "received": stats["rx"]["bytes"], "dropped": stats["tx"]["dropped"] + stats["rx"]["dropped"]}

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class Watcher(threading.Thread):
    """The coordinator's status, again and again: what it said last."""

    def __init__(self, namespace):
        super().__init__(daemon=True)
        self.namespace, self.last, self.over = namespace, None, False

    def run(self):
        hurry()                     # whoever makes the router wait must not wait himself
        enter(self.namespace)
        while not self.over:
            try:
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open("http://127.0.0.1:8444/status.json", timeout=5) as answer:
                    seen = json.load(answer)
                if not self.last or seen["network"]["requests"] >= self.last["network"]["requests"]:     # the network's side goes first in the end
                    self.last = seen
            except (OSError, ValueError):
                pass                # it was busy, or is gone
            time.sleep(0.05)


class World:
    """Namespaces and the network between them; all gone when it ends."""

    def __init__(self, plain, network):
        self.plain, self.network = plain, network
        self.namespaces, self.processes = [], []

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def make(self):
        net = "127.77.0." if self.plain else "10.77.0."
        mark = "mu%d" % (os.getpid() % 100_000)
        for i in range(len(LINES) + 1):
            self.namespaces.append(Namespace("%s-%d" % (mark, i), net + str(i + 1), self.network))
        self.coordinator, self.devices = self.namespaces[0], self.namespaces[1:]
        self.network.introduce(self.namespaces)
        self.links = []
        for number, (line, device) in enumerate(zip(LINES, self.devices), 1):
            asked = collections.defaultdict(collections.deque)      # by the device's port: first lines of requests that are not answered yet
            up = (lambda ports, asked=asked: Bodies(asked[ports[:2]], False)) if self.plain else lambda ports: Records()
            down = (lambda ports, asked=asked: Bodies(asked[ports[2:]], True)) if self.plain else lambda ports: Records()
            self.links.append(self.network.link(number, device.address, line, (up, down)))
        self.network.start()

    def begin(self, namespace, command, log):
        self.processes.append(namespace.begin(command, log))
        return self.processes[-1]

    def __exit__(self, *trouble):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.network.close()
        for namespace in self.namespaces:
            namespace.close()


def wait_for(what, processes, seconds=60):
    """Until it is true of what is asked."""
    end_s = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > end_s or any(process.poll() not in (None, 0) for process in processes):
            raise RuntimeError("this did not come to its end; see what the programs have said")
        time.sleep(0.05)
    return found


def measure_connect(world):
    """How long a connection takes from each namespace: a link's round trip, as its processes see it."""
    script = "import socket, time, sys; t = time.monotonic(); socket.create_connection((sys.argv[1], %d), 30).close(); print(time.monotonic() - t)" % PORT
    times = []
    for device in world.devices:
        said = subprocess.run(["ip", "netns", "exec", device.name, sys.executable, "-c", script, world.coordinator.address], check=True, capture_output=True, text=True)
        times.append(float(said.stdout))
    return times


def run(world, muster, work, rounds, examples):
    """The federation, to its end. What each device has said, and the coordinator's last status."""
    experiment, folder = work / "netem.yaml", work / "served"
    experiment.write_text(EXPERIMENT.format(rounds=rounds, examples=", examples_per_device: %d, test_examples: %d" % (examples, 4 * examples) if examples else "", address=world.coordinator.address, tls=str(not world.plain).lower()))
    subprocess.run([muster, "run", experiment, "--workers", "1", "--quiet", "--out", work / "simulated"], check=True)
    coordinator = world.begin(world.coordinator, [muster, "serve", experiment, "--out", folder, "--linger", "120"], work / "coordinator.log")
    said = wait_for(lambda: (text := (work / "coordinator.log").read_text()) and "\nserving " in "\n" + text and text, [coordinator])
    fingerprint = re.search(r"^certificate, SHA-256: ([0-9a-f]{64})$", said, re.MULTILINE)
    watcher = Watcher(world.coordinator.name)
    watcher.start()
    connect_s = measure_connect(world)
    made = subprocess.run([muster, "devices", folder, "--add", str(len(LINES)), "--format", "json"], check=True, capture_output=True, text=True).stdout
    url = "%s://%s:%d" % ("http" if world.plain else "https", world.coordinator.address, PORT)
    devices = []
    for device, line in zip(world.devices, made.splitlines()):
        token = json.loads(line)
        command = [muster, "join", url, "--data", experiment, "--state", work / device.name, "--token", token["token"], "--format", "json"]
        devices.append(world.begin(device, command + (["--fingerprint", fingerprint[1]] if fingerprint else []), work / (device.name + ".log")))
    wait_for(lambda: world.network.trouble or all(process.poll() is not None for process in [coordinator, *devices]), [coordinator, *devices], AT_MOST_S)
    if world.network.trouble:
        raise world.network.trouble
    time.sleep(2)                   # for what is under way yet: the last acknowledgements
    watcher.over = True
    watcher.join()
    world.network.settle()
    events = [[json.loads(text) for text in (work / (device.name + ".log")).read_text().splitlines() if text.startswith("{")] for device in world.devices]
    return events, watcher.last, connect_s


class Checks:
    def __init__(self):
        self.failed = 0

    def equal(self, what, *values):
        good = len(set(values)) == 1
        self.failed += not good
        print("%-10s %s: %s" % ("equal" if good else "NOT EQUAL", what, " = ".join(map(str, values))))


def bytes_said(events, name):
    return sum(event["bytes"] for event in events if event["event"] == name)


def report(world, work, events, status, connect_s, rounds):
    checks = Checks()
    books = [[direction.total() for direction in link] for link in world.links]
    counters = [device.count() for device in world.devices]
    for line, link, (up, down), counted, seconds in zip(LINES, world.links, books, counters, connect_s):
        print("%-10s %3.0f ms, %.0f %%, %4.1f Mbit/s: connects in %.0f ms; %d packets up, %s; %d down, %s" % (
            line.name, 1e3 * line.round_trip_s, 100 * line.loss, line.rate_bit_per_s / 1e6, 1e3 * seconds, up["packets"], link[0].losses(), down["packets"], link[1].losses()))
        checks.equal("bytes that its interface has sent, and those that were seen", counted["sent"], up["bytes"])
        checks.equal("bytes that its interface has received, and those that were seen and not lost", counted["received"], down["bytes"] - down["lost bytes"])
        checks.equal("packets that the interface dropped, and none", counted["dropped"], 0)
    whole = world.coordinator.count()
    checks.equal("bytes that the coordinator's interface has sent, and those that were seen", whole["sent"], sum(down["bytes"] for _, down in books))
    checks.equal("bytes that it has received, and those of devices that were not lost", whole["received"], sum(up["bytes"] - up["lost bytes"] for up, _ in books))
    summary = json.loads((work / "served" / "summary.json").read_text())
    network = status["network"]
    for way, at, key, event in (("up", 0, "bytes_up", "sent"), ("down", 1, "bytes_down", "downloaded")):
        of_devices = [bytes_said(each, event) for each in events]
        checks.equal("weights %s: devices' events, summary.json" % way, sum(of_devices), summary[key])
        if world.plain:
            checks.equal("weights %s: each device's events" % way, *[str(of_devices)], str([book[at]["blobs"] for book in books]))
            checks.equal("all bodies %s: on the wire, status.json" % way, sum(book[at]["blobs"] + book[at]["messages"] for book in books), network[key])
        total = sum((book[at] for book in books), collections.Counter())
        text = total["heads"] if world.plain else total["plaintext"] - network[key]
        frames = 0 if world.plain else 22 * total["records"] + total["handshake"]
        checks.equal("bytes %s: on the interfaces; bodies, HTTP's heads, TLS, TCP and IP, sent again" % way, total["bytes"],
                     network[key] + text + frames + total["headers"] + total["repeated"])
        print("%10s %s: %d bytes of weights (100 %%), messages %d (%.2f %%), HTTP's heads%s %d (%.2f %%; %.0f a request), TLS %d (%.2f %%), TCP and IP %d (%.2f %%), "
              "sent again %d (%.2f %%); %d connections" % (
                  "", way, summary[key], network[key] - summary[key], 100 * (network[key] - summary[key]) / summary[key], "" if world.plain else " and enciphered handshakes",
                  text, 100 * text / summary[key], text / network["requests"], frames, 100 * frames / summary[key], total["headers"], 100 * total["headers"] / summary[key],
                  total["repeated"], 100 * total["repeated"] / summary[key], total["connections"]))
    with open(work / "served" / "rounds.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    checks.equal("rounds that were made, and wanted", int(rows[-1]["round"]), rounds)
    checks.equal("updates that were merged, and wanted", sum(int(row["merged"]) for row in rows), rounds * len(LINES))
    same = (work / "served" / "model.safetensors").read_bytes() == (work / "simulated" / "model.safetensors").read_bytes()
    checks.equal("model.safetensors: served, and muster run", same, True)
    ends_s = [float(row["time_s"]) for row in rows]
    print("seconds a round: " + ", ".join("%.1f" % (b - a) for a, b in zip(ends_s, ends_s[1:])))
    print("seconds of a download: " + ", ".join("%s %.1f" % (line.name, sum(e["seconds"] for e in each if e["event"] == "downloaded") / rounds) for line, each in zip(LINES, events)))
    return checks.failed > 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--muster", default="build/muster")
    arguments.add_argument("--rounds", type=int, default=4)
    arguments.add_argument("--examples", type=int, help="of each device, and a fourth of the test set's; fewer are faster")
    arguments.add_argument("--seed", type=int, default=1, help="of the losses that are made in user space")
    arguments.add_argument("--plain", action="store_true", help="no TLS")
    arguments.add_argument("--kernel", action="store_true", help="tc netem makes the links")
    arguments.add_argument("--keep", help="a new folder for what the programs have written; otherwise it is removed")
    given = arguments.parse_args()
    muster = pathlib.Path(given.muster).resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="muster-netem-") as scratch:
        work = pathlib.Path(given.keep or scratch).resolve()
        work.mkdir(exist_ok=True)
        hurry()
        with World(given.plain, KernelNetwork() if given.kernel else UserNetwork(given.seed)) as world:
            failed = report(world, work, *run(world, muster, work, given.rounds, given.examples), given.rounds)
    return failed


if __name__ == "__main__":
    sys.exit(main())
