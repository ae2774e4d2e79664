"""Disturbances: the coordinator and devices killed (SIGKILL) at random moments, or in the middle of their work on files, and started again at once, and a network that
cuts, while a federation is served."""

import collections
import random
import time

from served import Broken, Served, free_port

# Small, but long enough that kills fall into the middle of trainings, whose places are kept fifty times a second.
KEEP_EVERY_S = 0.02
EXPERIMENT = """\
name: chaos
seed: 3
rounds: 6
model:
  layers:
    - {conv: c, channels: 4, kernel: 3}
    - {batch_norm: n}
    - relu
    - {max_pool: p, size: 4}
    - flatten
    - {dense: h, units: 64}
    - relu
    - {dense: d}
data: {name: writers, devices: 8, examples_per_device: 24, test_examples: 200}
fleet: mixed
train: {local_epochs: 60, batch_size: 8, learning_rate: 0.05}
when: {cohort: 6}
evaluate: {tier_examples: 0, devices: 0, norm_statistics: trained}
serve: {wait_for_devices: 8, status_address: "", reported_profiles: false, presence_s: 3600, lease_s: 3600}
"""
ASYNCHRONOUS = EXPERIMENT.replace("when: {cohort: 6}", "when: {concurrency: 8, goal: 4}").replace("rounds: 6", "rounds: 10\ncheckpoint_every_rounds: 2")


# Who ends in the middle of work on files: `left`, how often at most ("coordinator", "device"); on files with `word` in their names; by point `points_max` of its life.
Crashes = collections.namedtuple("Crashes", "library left word points_max")
WORK_ON_FILES = {
    "checkpoints": lambda library: Crashes(library, {"coordinator": 8}, "checkpoint", 14),
    "all files": lambda library: Crashes(library, {"coordinator": 6, "device": 16}, "", 400),
}


def moment_s(length_s, chance):
    """How long somebody is left alone: uniform over `length_s`; one time in five, until it is just starting."""
    return chance.random() * (min(0.2, length_s) if chance.random() < 0.2 else length_s)


def disturb(served, length_s, coordinator_kills, device_kills, seed):
    """Until the federation has ended, with at most so many kills; `length_s` is what it takes undisturbed. The coordinator's last kill is kept for when all rounds are
    made."""
    chance = random.Random(seed)
    after_s = moment_s(length_s, chance)            # of the coordinator's start
    next_s, number = None, 0                        # when a device is killed, and which
    served.start_coordinator()
    while not served.look():
        if not served.devices and served.look_for_tokens():
            served.start_devices()
        now_s = time.monotonic()
        left = coordinator_kills - served.kills["coordinator"]
        if left > 1 and now_s - served.coordinator.began_s >= after_s:
            served.kill_coordinator()
            after_s = moment_s(length_s, chance)
        elif left == 1 and served.has_all_rounds():
            time.sleep(0.3 * chance.random())
            served.kill_coordinator()
        if served.devices and served.kills["device"] < device_kills and (next_s is None or now_s >= next_s):
            if next_s is not None:
                served.kill_device(number)
            wait_s = moment_s(length_s, chance) / 2
            if next_s is None or wait_s > 0.1:      # else the same one again
                number = chance.choice(sorted(served.devices))
            next_s = now_s + wait_s
        time.sleep(0.005)


def crash(served, crashes, seed):
    """Until the federation has ended. Each life of a process in `crashes` ends at a point in its work on files; that is drawn uniformly in its logarithm, so that the
    first ones, of a start, are not rare."""
    chance = random.Random(seed)
    left = dict(crashes.left)

    def next_point(who, place):
        if left.get(who, 0) <= 0:
            return None
        return crashes.library, str(place / crashes.word), int(crashes.points_max ** chance.random())

    def begin_device(number):
        served.start_device(number, next_point("device", served.place / ("device-%d" % number)))

    served.start_coordinator(next_point("coordinator", served.folder))
    while not served.look():
        if served.count_crash(served.coordinator):
            left["coordinator"] -= 1
            served.start_coordinator(next_point("coordinator", served.folder))
        if not served.devices and served.look_for_tokens():
            for number in sorted(served.tokens):
                begin_device(number)
        for number in list(served.devices):
            if served.count_crash(served.devices[number]):
                left["device"] -= 1
                begin_device(number)
        time.sleep(0.005)


def once(muster, folder, experiment, recipe, length_s, coordinator_kills=0, device_kills=0, network=None, tls=True, seed=1, wanted=None, crashes=None):
    """One disturbed federation, its books checked, and its model, where there is one to compare with. `network`: a proxy's class. Returns (Served, proxy or None,
    counts)."""
    port = free_port()
    proxy = network(port, seed) if network else None
    served = Served(muster, folder, experiment, recipe, port, address=proxy and proxy.address, tls=tls, keep_every_s=KEEP_EVERY_S)
    try:
        if crashes:
            crash(served, crashes, seed)
        else:
            disturb(served, length_s, coordinator_kills, device_kills, seed)
        counts = served.check_books(synchronous=wanted is not None)
        if wanted:
            served.expect_model(wanted)
    except Broken as broken:
        raise Broken("%s, recipe %s, seed %d: %s" % (folder, recipe, seed, broken)) from broken
    finally:
        served.close()
        if proxy:
            proxy.close()
    return served, proxy, counts
