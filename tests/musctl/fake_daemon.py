#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A stand-in for mus-userland's control socket, with a few cgroups whose weights can be set.

fake_daemon.py SOCKET serves until it is killed. Answers have the shape of docs/control_protocol.md; tests that
need others use the C++ fake (tests/unit/musctl/fake_server.h).
"""
import json
import os
import socket
import sys
import threading
import time

NAMES = {1: "/", 20: "/system.slice", 21: "/system.slice/redis.service", 22: "/system.slice/cron.service",
         30: "/user.slice", 31: "/user.slice/user-1000.slice", 32: "/user.slice/user-1000.slice/session-1.scope"}
PARENT = {20: 1, 21: 20, 22: 20, 30: 1, 31: 30, 32: 31}
weights = {}  # set through mus
lock = threading.Lock()


def weight(cgroup):
    return weights.get(cgroup, 100)


def promised(cgroup):
    if cgroup == 1:
        return 1.0
    siblings = [c for c, parent in PARENT.items() if parent == PARENT[cgroup]]
    return promised(PARENT[cgroup]) * weight(cgroup) / sum(map(weight, siblings))


def cgroup_figures(cgroup):
    leaf = cgroup not in PARENT.values()
    return {"cgroup": NAMES[cgroup], "cgroup_id": cgroup, "parent_id": PARENT.get(cgroup, 0),
            "depth": 0 if cgroup == 1 else NAMES[cgroup].count("/"), "weight": weight(cgroup),
            "source": "mus" if cgroup in weights else "cpu.weight", "promised": promised(cgroup),
            "share": promised(cgroup) * 0.99, "lag_ms": 1.2 if leaf else 0.0, "runnable": 3 if leaf else 0,
            "cpu_ms": 1980.0 * promised(cgroup), "wait_p50_ms": 0.42 if leaf else None,
            "wait_p99_ms": 3.1 if leaf else None}


def stats():
    return {"interval_s": 1.0, "mode": "userland", "policy": "vtime", "cpus": 2,
            "rates": {"decisions": 4100.0, "decided": 3900.0, "standing": 120.0, "resumed": 40.0, "idle": 2000.0,
                      "held": 0.0, "fallback": 0.0, "kernel": 80.0, "events": 8100.0, "wakes": 900.0, "refused": 0.0},
            "daemon_cpu_percent": 0.9, "userland_percent": 99.7, "tasks": 93, "held": 3, "queued": 1,
            "cgroups": [cgroup_figures(c) for c in NAMES]}


def find(request):
    for cgroup, name in NAMES.items():
        if request.get("cgroup") == name or request.get("cgroup_id") == cgroup:
            return cgroup
    return None


def refuse(code, message, **more):
    return {"ok": False, "error": {"code": code, "message": message, **more}}


def weight_answer(command, request):
    cgroup = find(request)
    if cgroup is None:
        return refuse("no_such_cgroup", f"no cgroup {request.get('cgroup')}", hint="did you mean /system.slice?")
    before, was_set = weight(cgroup), cgroup in weights
    answer = {"ok": True, "cgroup": NAMES[cgroup], "cgroup_id": cgroup, "cpu_weight": 100}
    if command == "weight.set":
        if not 1 <= request["weight"] <= 10000:
            return refuse("bad_value", "a weight is 1..10000", field="weight")
        weights[cgroup] = request["weight"]
        answer |= {"set": request["weight"], "before": before}
        if "ttl" in request:
            answer["ttl"] = request["ttl"]
    elif command == "weight.unset":
        weights.pop(cgroup, None)
        answer |= {"before": before, "was_set": was_set}
    else:
        answer["promised"] = promised(cgroup)
    return answer | {"weight": weight(cgroup), "source": "mus" if cgroup in weights else "cpu.weight"}


def answer(request):
    command = request.get("cmd")
    if command in ("weight.set", "weight.get", "weight.unset"):
        return weight_answer(command, request)
    if command == "hello":
        return {"ok": True, "protocol": 1, "version": "0.1.0", "pid": os.getpid()}
    if command == "status":
        return {"ok": True, "mode": "userland", "policy": "vtime", "version": "0.1.0", "pid": os.getpid(),
                "kernel": "6.18.15+deb13-cloud-amd64", "cpus": 2, "uptime_s": 81.2, "notes": []}
    if command == "stats":
        return {"ok": True} | stats()
    if command == "subscribe":
        return {"ok": True, "interval": request.get("interval", 1.0)}
    if command == "policy.list":
        return {"ok": True, "policies": [{"name": "vtime", "summary": "hierarchical weighted fair", "active": True},
                                         {"name": "fifo", "summary": "first in, first out", "active": False}]}
    return refuse("unknown_command", f"no command '{command}'", hint="status")


def publish(connection, interval):
    try:
        while True:
            with lock:
                event = {"event": "stats"} | stats()
            connection.sendall((json.dumps(event) + "\n").encode())
            time.sleep(interval)
    except OSError:
        pass


def serve(connection):
    try:
        for line in connection.makefile("rb"):
            request = json.loads(line)
            with lock:
                reply = answer(request)
            connection.sendall((json.dumps(reply) + "\n").encode())
            if request.get("cmd") == "subscribe":
                threading.Thread(target=publish, args=(connection, request.get("interval", 1)), daemon=True).start()
    except OSError:
        pass


def main():
    path = sys.argv[1]
    if os.path.exists(path):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(16)
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
