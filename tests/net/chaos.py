"""Disturbances: the coordinator and devices killed (SIGKILL) at random moments and started again at once, and a network that cuts, while a federation is served."""

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
ASYNCHRONOUS = EXPERIMENT.replace("when: {cohort: 6}", "when: {concurrency: 8, goal: 4}").replace("rounds: 6", "rounds: 10")


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


def once(muster, folder, experiment, recipe, length_s, coordinator_kills=0, device_kills=0, network=None, tls=True, seed=1, wanted=None):
    """One disturbed federation, its books checked, and its model, where there is one to compare with. `network`: a proxy's class. Returns (Served, proxy or None,
    counts)."""
    port = free_port()
    proxy = network(port, seed) if network else None
    served = Served(muster, folder, experiment, recipe, port, address=proxy and proxy.address, tls=tls, keep_every_s=KEEP_EVERY_S)
    try:
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
