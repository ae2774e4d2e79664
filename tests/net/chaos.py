"""Disturbances: the coordinator and devices killed (SIGKILL) at random moments and started again at once, and a network that cuts, while a federation is served."""

import random
import time

from cutting_proxy import CuttingProxy
from served import Broken, Served

# Small, but long enough that kills fall into the middle of trainings, whose places are kept every twentieth of a second.
KEEP_EVERY_S = 0.05
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
train: {local_epochs: 12, batch_size: 8, learning_rate: 0.05}
when: {cohort: 6}
evaluate: {tier_examples: 0, devices: 0, norm_statistics: trained}
serve: {wait_for_devices: 8, status_address: "", reported_profiles: false, presence_s: 3600, lease_s: 3600}
"""
ASYNCHRONOUS = EXPERIMENT.replace("when: {cohort: 6}", "when: {concurrency: 8, goal: 4}").replace("rounds: 6", "rounds: 10")


class Moments:
    """When somebody is to be killed next: so long after being started, uniformly over `length_s`; one time in five at once. `budget` times altogether."""

    def __init__(self, length_s, budget, chance):
        self.length_s, self.budget, self.chance = length_s, budget, chance
        self.draw()

    def draw(self):
        at_once = self.chance.random() < 0.2
        self.after_s = self.chance.random() * (min(0.2, self.length_s) if at_once else self.length_s)

    def has_come(self, process):
        return self.budget > 0 and time.monotonic() - process.began_s >= self.after_s

    def used(self):
        self.budget -= 1
        self.draw()


def disturb(served, length_s, coordinator_kills, device_kills, seed):
    """Until the federation has ended, with at most so many kills; `length_s` is what it takes undisturbed."""
    chance = random.Random(seed)
    coordinator = Moments(length_s, coordinator_kills, chance)
    devices = {}                    # number: Moments; they share a budget
    served.start_coordinator()
    while True:
        if not served.devices and served.look_for_tokens():
            served.start_devices()
            devices = {number: Moments(length_s, device_kills, chance) for number in served.devices}
        if coordinator.has_come(served.coordinator) and served.kill_coordinator():
            coordinator.used()
        for number, moments in devices.items():
            if served.kills["device"] < device_kills and moments.has_come(served.devices[number]) and served.kill_device(number):
                moments.used()
        if served.look():
            return
        time.sleep(0.005)


def once(muster, folder, experiment, recipe, port, length_s, coordinator_kills=0, device_kills=0, cuts=False, tls=True, seed=1, wanted=None):
    """One disturbed federation, its books checked, and its model, where there is one to compare with. Returns (Served, CuttingProxy or None, counts)."""
    proxy = CuttingProxy(port, seed) if cuts else None
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
