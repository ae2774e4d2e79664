"""What both kinds of links ask of the system."""

import ctypes
import os
import subprocess
import threading

CLONE_NEWNET = 0x40000000


def ip(*words):
    return subprocess.run(["ip", *map(str, words)], check=True, capture_output=True, text=True).stdout


def enter(namespace):
    """This thread alone, for good."""
    with open("/run/netns/" + namespace) as inside:
        if ctypes.CDLL(None, use_errno=True).setns(inside.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns", namespace)


def hurry():
    """This thread comes before all that is ordinary: a link that waits for a processor would be another link. Programs that it starts are ordinary again."""
    os.sched_setscheduler(threading.get_native_id(), os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
