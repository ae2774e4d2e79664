"""A federation that is served on this machine: muster serve, eight times muster join, each a process that may be killed and started again; and the books that are
kept of it on both sides, compared."""

import collections
import csv
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

DEVICES = 8
LINGER_S = 20
AT_MOST_S = 900                     # until a federation has ended, on a machine that has other work


class Broken(Exception):
    """What must hold did not."""


def free_port():
    """One that is free now; a coordinator that is to be found again after a restart cannot take any. Not one that the system gives to connections: while the
    coordinator is away, a device that looks for it could be given that one, and find itself."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass                # it is taken


def simulate(muster, folder, experiment, recipe):
    """The same experiment in virtual time; its folder."""
    out = pathlib.Path(folder) / "simulated"
    subprocess.run([muster, "run", experiment, "--recipe", recipe, "--workers", "1", "--quiet", "--out", out], check=True)
    return out


def build_crash_points(folder):
    """crash_points.c as a library, which a program is started with to end in the middle of its work on files. None: there is no compiler."""
    library = pathlib.Path(folder) / "crash_points.so"
    source = pathlib.Path(__file__).resolve().parent / "crash_points.c"
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler:
        subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
    return library if compiler else None


class Process:
    """One life of a program. What it says goes into a file of its own, so that a line which a kill cut short is the last one. `crash`: (library, word, number) of the point
    in its work on files where it ends, by SIGKILL."""

    def __init__(self, command, log, crash=None):
        self.log, self.crash_log = log, log.with_suffix(".crash")
        self.began_s = time.monotonic()
        environment = dict(os.environ)
        if crash:
            environment.update(LD_PRELOAD=str(crash[0]), CRASH_AT="%s:%d" % crash[1:], CRASH_LOG=str(self.crash_log))
        with open(log, "wb") as out:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environment)

    def is_over(self):
        return self.popen.poll() is not None

    def crashed_at(self):
        """"rename checkpoint.tmp": what it was about to do at the point where it ended; what differs from name to name left out. None: it has not ended so."""
        if self.popen.poll() != -signal.SIGKILL or not self.crash_log.exists():
            return None
        return re.sub(r"[0-9a-f]{16,}|\d+", "*", self.crash_log.read_text().strip())

    def kill(self):
        """False: it had come to its end by itself."""
        self.popen.send_signal(signal.SIGKILL)
        return self.popen.wait() == -signal.SIGKILL

    def said(self):
        return pathlib.Path(self.log).read_text(errors="replace")


class Served:
    """Coordinator and devices. `address`: where devices look for the coordinator; otherwise there."""

    def __init__(self, muster, folder, experiment, recipe, port, address=None, tls=True, keep_every_s=None):
        self.muster, self.recipe = muster, recipe
        self.place = pathlib.Path(folder)
        self.place.mkdir(parents=True)
        self.experiment = experiment
        self.folder = self.place / "served"
        self.port, self.tls = port, tls
        self.url = "%s://%s" % ("https" if tls else "http", address or "127.0.0.1:%d" % port)
        self.join_flags = ["--keep-every", str(keep_every_s)] if keep_every_s else []
        self.coordinator = None
        self.fingerprint = None
        self.tokens = {}
        self.devices = {}           # number: Process
        self.lives = collections.Counter()
        self.kills = collections.Counter()
        self.crashes = collections.Counter()    # by what it was about to do
        self.began_s = time.monotonic()

    # ---- lives ----

    def log_of(self, who):
        self.lives[who] += 1
        return self.place / ("%s.%d.log" % (who, self.lives[who]))

    def start_coordinator(self, crash=None):
        if (self.folder / "config.yaml").exists():      # else it was killed before it had said what it is about
            command = [self.muster, "serve", "--resume", self.folder]
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
            command = [self.muster, "serve", self.experiment, "--recipe", self.recipe, "--out", self.folder, "--set", "serve.tls=%s" % str(self.tls).lower(),
                       "--set", "serve.address=127.0.0.1:%d" % self.port]
        self.coordinator = Process(command + ["--linger", str(LINGER_S)], self.log_of("coordinator"), crash)

    def look_for_tokens(self):
        """Once the coordinator has said how it is reached. True: devices can be started."""
        if self.tokens:
            return True
        said = self.coordinator.said()
        fingerprint = re.search(r"^certificate, SHA-256: ([0-9a-f]{64})$", said, re.MULTILINE)
        if "\nserving " not in "\n" + said or (self.tls and not fingerprint):
            return False
        self.fingerprint = fingerprint and fingerprint[1]
        made = subprocess.run([self.muster, "devices", self.folder, "--add", str(DEVICES), "--format", "json"], check=True, capture_output=True, text=True)
        for line in made.stdout.splitlines():
            token = json.loads(line)
            self.tokens[token["device"]] = token["token"]
        return True

    def start_device(self, number, crash=None):
        command = [self.muster, "join", self.url, "--data", self.experiment, "--state", self.place / ("device-%d" % number), "--token", self.tokens[number],
                   "--format", "json"] + self.join_flags
        if self.fingerprint:
            command += ["--fingerprint", self.fingerprint]
        self.devices[number] = Process(command, self.log_of("device-%d" % number), crash)

    def start_devices(self):
        for number in sorted(self.tokens):
            self.start_device(number)

    def has_all_rounds(self):
        """All that is left is to tell devices that it is over, and to write the results."""
        try:
            last = (self.folder / "rounds.csv").read_text().splitlines()[-1].split(",")[0]
            return last == re.search(r"^rounds: (\d+)", (self.folder / "config.yaml").read_text(), re.MULTILINE)[1]
        except (OSError, IndexError):
            return False            # it is just beginning

    def where(self):
        """What the coordinator is at."""
        if "\nserving " not in "\n" + self.coordinator.said():
            return "starting"
        if self.has_all_rounds():
            return "finishing"
        with sqlite3.connect(self.folder / "store.db") as store:
            enrolled = store.execute("SELECT COUNT(*) FROM devices").fetchone()[0]
        store.close()
        return "rounds" if enrolled == DEVICES else "enrolment"

    def kill_coordinator(self):
        """And start it again at once, unless it was over."""
        where = self.where()
        if not self.coordinator.kill():
            return
        self.kills["coordinator"] += 1
        self.kills[where] += 1
        self.kills["checkpoint"] += (self.folder / "checkpoint.tmp").exists()    # in the middle of writing it
        self.start_coordinator()

    def kill_device(self, number):
        """And start it again at once, unless it was over."""
        if not self.devices[number].kill():
            return
        self.kills["device"] += 1
        self.kills["training"] += (self.place / ("device-%d" % number) / "place").exists()    # with a place in it kept
        self.start_device(number)

    def count_crash(self, process):
        """True: it has ended at a point in its work on files, and is to be started again."""
        point = process.crashed_at()
        if point:
            self.crashes[point] += 1
            self.kills["coordinator" if process is self.coordinator else "device"] += 1
            self.kills["checkpoint"] += " checkpoint" in point
            self.kills["files"] += 1
        return point is not None

    def look(self):
        """True: the federation has ended. Whoever ended otherwise is not as it should be."""
        for number, device in self.devices.items():
            if device.is_over() and device.popen.returncode and not device.crashed_at():
                raise Broken("device %d ended with status %d: %s" % (number, device.popen.returncode, device.said()[-600:]))
        if self.coordinator.crashed_at():
            return False
        if self.coordinator.is_over() and self.coordinator.popen.returncode:
            raise Broken("the coordinator ended with status %d: %s" % (self.coordinator.popen.returncode, self.coordinator.said()[-600:]))
        if time.monotonic() - self.began_s > AT_MOST_S:
            raise Broken("the federation has not ended after %d s" % AT_MOST_S)
        return self.coordinator.is_over()

    def run(self):
        """Undisturbed, to its end. The seconds it took."""
        self.start_coordinator()
        while not self.look_for_tokens():
            self.look()
            time.sleep(0.01)
        self.start_devices()
        while not self.look():
            time.sleep(0.01)
        return time.monotonic() - self.began_s

    def close(self):
        """Devices that have not heard the end, because they were waiting to try again, are stopped."""
        for process in [self.coordinator, *self.devices.values()]:
            if process and not process.is_over():
                process.popen.kill()
                process.popen.wait()

    # ---- books ----

    def acknowledged(self):
        """What devices say was acknowledged: by task number, the device."""
        tasks = {}
        for log in self.place.glob("device-*.log"):
            for line in log.read_text(errors="replace").splitlines():
                try:
                    event = json.loads(line)
                except ValueError:
                    continue        # cut by a kill, or what went wrong
                if event["event"] == "sent" and tasks.setdefault(event["task"], event["device"]) != event["device"]:
                    raise Broken("devices %d and %d both say that they have sent task %d" % (tasks[event["task"]], event["device"], event["task"]))
        return tasks

    def ends(self):
        """events.jsonl: by task number, which counts the tasks as they were sent, its device and all its ends, each with its line."""
        tasks, numbers = {}, {}
        with open(self.folder / "events.jsonl") as lines:
            for place, line in enumerate(lines):
                event = json.loads(line)
                name = event["device"], event["task"]
                if event["event"] == "sent":
                    if name in numbers:
                        raise Broken("task %d of device %d was sent twice" % (name[1], name[0]))
                    numbers[name] = len(numbers) + 1
                    tasks[numbers[name]] = event["device"], []
                else:
                    tasks[numbers[name]][1].append((event["event"], place))
        return tasks

    def check_books(self, synchronous):
        """Every task ended once, and what was acknowledged was merged. An asynchronous method may have discarded it, or have made its last version before it looked at
        it. Returns counts."""
        acknowledged, ends = self.acknowledged(), self.ends()
        last_merged = max(place for _, happened in ends.values() for end, place in happened if end == "merged")
        counts = collections.Counter()
        for number, (device, happened) in ends.items():
            if len(happened) != 1:
                raise Broken("task %d of device %d ended %d times: %s" % (number, device, len(happened), happened))
            end, place = happened[0]
            counts[end] += 1
            if end == "merged":
                counts["unheard"] += number not in acknowledged      # the device was not told, or was killed before it could say so
            elif synchronous:
                raise Broken("task %d of device %d was %s" % (number, device, end))
            elif number in acknowledged and end != "discarded":
                counts["after the end"] += 1
                if end != "cancelled" or place < last_merged:
                    raise Broken("task %d of device %d was acknowledged, and %s before the last version was made" % (number, device, end))
        for number, device in acknowledged.items():
            if number not in ends or ends[number][0] != device:
                raise Broken("device %d was told that task %d is in, which it was never sent" % (device, number))
        with open(self.folder / "rounds.csv", newline="") as file:
            in_rounds = sum(int(row["merged"]) for row in csv.DictReader(file))
        if in_rounds != counts["merged"]:
            raise Broken("rounds.csv has %d updates merged, events.jsonl %d" % (in_rounds, counts["merged"]))
        self.check_store()
        counts["acknowledged"] = len(acknowledged)
        return counts

    def check_sweeping(self):
        """A coordinator that was killed just when its last checkpoint stood has updates left. Started again, it clears them away."""
        left = self.folder / "updates" / "1.blob"
        left.write_bytes(b"MUBLOB1")
        with sqlite3.connect(self.folder / "store.db") as store:
            store.execute("INSERT INTO updates(task, device, head) VALUES(1, 0, x'00')")
        store.close()
        self.devices = {}           # they have heard the end, or were stopped
        self.start_coordinator()
        while not self.look():
            time.sleep(0.01)
        self.check_store()
        if left.exists():
            raise Broken("%s is left of a federation that is over" % left)

    def check_store(self):
        with sqlite3.connect(self.folder / "store.db") as store:
            left = store.execute("SELECT COUNT(*) FROM updates").fetchone()[0]
        store.close()
        if left:
            raise Broken("the store has %d updates that nobody waits for" % left)

    def expect_model(self, wanted):
        """The same bytes."""
        if (self.folder / "model.safetensors").read_bytes() != (pathlib.Path(wanted) / "model.safetensors").read_bytes():
            raise Broken("model.safetensors is not that of %s" % wanted)
