"""A bad line: carries packets between two TUN devices, late, in another order, and not all of them.

It ends with its standard input, and then says how many were lost.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

LOSS = 0.1
DELAY = 0.020
JITTER = 0.005
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001


def device(name):
    end = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", name, IFF_TUN_NO_PI))
    return end


ends = [device(b"line0"), device(b"line1")]
chance = random.Random(int(sys.argv[1]))
on_the_way = []
seen = lost = 0
print("ready", flush=True)
while True:
    wait = max(0, on_the_way[0][0] - time.monotonic()) if on_the_way else None
    ready, _, _ = select.select([*ends, sys.stdin], [], [], wait)
    if sys.stdin in ready:
        break
    now = time.monotonic()
    for end in ready:
        packet = os.read(end, 65536)
        seen += 1
        if chance.random() < LOSS:
            lost += 1
            continue
        other = ends[1 - ends.index(end)]
        arrival = now + DELAY + chance.random() * JITTER
        heapq.heappush(on_the_way, (arrival, seen, other, packet))
    while on_the_way and on_the_way[0][0] <= now:
        _, _, end, packet = heapq.heappop(on_the_way)
        try:
            os.write(end, packet)
        except OSError:
            # The device is not up yet: the packet arrives nowhere.
            lost += 1
print(f"{lost} {seen}")
