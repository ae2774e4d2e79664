#!/usr/bin/env python3
"""Writes the golden files beside it: what the played run of test_run.c must leave in its folder, worked out independently of the C code."""
import json
import pathlib

here = pathlib.Path(__file__).parent
LOW, HIGH = 'phone, "old"', "box"
TIERS = ["low", "<high>"]


def number(value):
    if value is None:
        return ""
    value = float(value)
    return str(int(value)) if value == int(value) else repr(value)


def quoted(field):
    return '"' + field.replace('"', '""') + '"' if any(c in field for c in ',"\n') else field


def rounds():
    yield ("round,time_s,selected,merged,lost,late,refused,discarded,tasks_open,train_loss,train_accuracy,loss,accuracy,accuracy_low,"
           "accuracy_<high>,mean_staleness,max_staleness,bytes_up,bytes_down,bytes_peer,macs,energy_j,idle_energy_j,device_time_s,"
           "wasted_time_s")
    for r in range(5):
        even = r % 2 == 0
        evaluated = [2.3 / (r + 1), 0.1 + 0.2 * r, 0.1 + 0.15 * r, 0.1 + 0.1 * r] if even else [None] * 4
        if r == 0:
            row = [0] * 9 + [None, None, *evaluated] + [0] * 10
        else:
            # a phone's task: 4.5 s, 7 J; the box's: 4.5 s, 27 J, or lost after 1 s of download and half of its 2.5 s of computing
            row = [r, 10 * r, 3, 2 if even else 3, int(even), 0, 0, int(r == 3), int(even), 2.0 / r, 0.25 * r, *evaluated,
                   0.5 if even else 0, int(even), 1800 if even else 2700, 3000, 10 * r, 5000000 if even else 6000000,
                   14 + (13.5 if even else 27), 0.5 * r, 9 + (2.25 if even else 4.5), 2.25 if even else 0]
        yield ",".join(map(number, row))


def events():
    def line(event, time, r, device, **more):
        start = {"event": event, "time_s": time, "round": r, "device": device, "class": HIGH if device == 2 else LOW,
                 "task": r - 1}
        return json.dumps({**start, **more}, separators=(",", ":"))

    def whole(value):
        return int(value) if value == int(value) else value

    for r in range(1, 5):
        began, ended = 10 * (r - 1), 10 * r
        for device in range(3):
            legs = {"down": "peer", "up": "none"} if (r, device) == (3, 0) else {}
            yield line("sent", began, r, device, version=r - 1, bytes_down=1000, bytes_up=900, macs=2000000, peak_memory_bytes=65536,
                       download_s=1, compute_s=2.5, upload_s=1, energy_j=27 if device == 2 else 7, **legs)
        if r % 2 == 0:
            yield line("lost", began + 2.25, r, 2, sent_at_s=began, reason='went "away"')
        if r == 3:
            yield line("discarded", began + 3, r, 1, sent_at_s=began, reason="too old")
        for device in range(2 if r % 2 == 0 else 3):
            yield line("merged", ended, r, device, sent_at_s=began, version=r - 1, staleness=int(r % 2 == 0 and device == 0), num_examples=20,
                       train_loss=whole(2.0 / r), bytes_up=900)


def devices():
    yield ("device,class,tier,num_examples,tasks_sent,tasks_done,tasks_lost,tasks_late,last_round,last_loss,compute_s,radio_s,wasted_s,"
           "bytes_up,bytes_down,energy_j,accuracy,idle_energy_j")
    for d in range(2):
        yield f"{d},{quoted(LOW)},low,20,4,4,0,0,4,0.5,10,8,0,3600,4000,28,{0.75 if d == 0 else ''},2.5"
    yield f"2,{quoted(HIGH)},<high>,20,4,2,2,0,3,0.7,7.5,6,4.5,1800,4000,81,0.25,0"


def summary():
    def tier(**members):
        return members
    low = tier(devices=2, devices_trained=2, num_examples=40, tasks_sent=8, tasks_done=8, tasks_lost=0, tasks_late=0, compute_s=20, radio_s=16,
               wasted_s=0, bytes_up=7200, bytes_down=8000, energy_j=56, compute_energy_j=40)
    high = tier(devices=1, devices_trained=1, num_examples=20, tasks_sent=4, tasks_done=2, tasks_lost=2, tasks_late=0, compute_s=7.5,
                radio_s=6, wasted_s=4.5, bytes_up=1800, bytes_down=4000, energy_j=81, compute_energy_j=75)
    members = {"name": "<b>played</b>", "recipe": "fedavg", "model": "softmax-regression", "dataset": "writers", "seed": 7, "rounds": 4,
               "devices": 3, "cohort": 3, "classes": 10, "parameters": 7850, "test_examples": 30, "final_accuracy": 0.9,
               "best_accuracy": 0.9, "final_loss": 0.46, "devices_evaluated": 2, "device_accuracy_mean": 0.5,
               "device_accuracy_sd": 0.25, "device_accuracy_worst_decile": 0.25, "virtual_time_s": 40, "wall_time_s": "#",
               "bytes_up": 9000, "bytes_down": 12000, "bytes_peer": 100, "energy_j": 137, "idle_energy_j": 5, "macs": 22000000, "budget_used": None, "device_time_s": 49.5, "wasted_time_s": 4.5, "peak_memory_bytes": 65536,
               "measured_peak_memory_bytes": 65536, "peak_rss_bytes": "#", "updates_merged": 10, "updates_lost": 2, "updates_late": 0,
               "updates_refused": 0, "updates_discarded": 1, "mean_staleness": 0.2, "max_staleness": 1, "events": 13, "updates_per_s": "#", "samples_per_s": "#", "workers": 2, "model_sha256": "#",
               "muster_version": "#"}
    lines = ",\n".join(f'  "{k}": {"#" if v == "#" else json.dumps(v)}' for k, v in members.items())
    accuracies = '  "accuracy_by_tier": {"low": 0.7, "<high>": 0.5}'

    def block(name, tier):
        return f'    "{name}": {{\n' + ",\n".join(f'      "{k}": {json.dumps(v)}' for k, v in tier.items()) + "\n    }"
    return "{\n" + lines + ",\n" + accuracies + ',\n  "tiers": {\n' + block("low", low) + ",\n" + block("<high>", high) + "\n  }\n}\n"


(here / "rounds.csv").write_text("".join(line + "\n" for line in rounds()))
(here / "events.jsonl").write_text("".join(line + "\n" for line in events()))
(here / "devices.csv").write_text("".join(line + "\n" for line in devices()))
(here / "summary.json").write_text(summary())
