"""The warm process: lives in the sandbox, has imported torch and loaded networks, forks a child a submission.

It never reads a byte of a submission: descriptors go straight to the child. So neither secrets nor hostile bytes ever
enter the memory that is forked. What it says about a child (locked, how it ended) is the only thing believed.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import stat
import sys
import traceback
from pathlib import Path
from typing import Any

from . import confine, copying, syscalls

# Of the machine, what libraries ask for; the rest of /proc tells what other submissions do.
MACHINE = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/uptime", "/proc/version")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


def main() -> None:
    """Confine this process, warm up, say so, serve."""
    config = json.loads(sys.argv[1])
    control = socket.socket(fileno=config["control"])
    if config["level"] != "none":
        enter(config, control)
    notebook = _warmed(config["networks"])
    gc.collect()
    if config["level"] != "none":
        confine.seal_libraries()
    gc.freeze()  # keeps the collector from touching, and so copying, shared pages
    threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    # Memory that is shared and writable would carry marks from one submission to the next.
    shared = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.split()[1].startswith("rw-s")]
    if threads != 1 or shared:
        raise SystemExit(f"not safe to fork: {threads} threads, shared memory {shared}")
    control.send(b'{"ready": true}')
    _serve(control, config, notebook)


def enter(config: dict[str, Any], control: socket.socket | None = None) -> None:
    """Lock this process in as the level wants: a user without rights, at the full level process 1 of its own."""
    full, as_root = config["level"] == "full", os.getuid() == 0
    if full and as_root:
        confine.mount("proc", "/proc")  # bwrap's own is partly covered, which forbids nested ones
    if as_root:
        confine.open_closed_folders(config["closed"])
        confine.become_user(config["uid"])
    if not full:
        return
    process = confine.own_process()
    confine.new_user(process, 0, confine.NEWNS | confine.NEWPID)
    os.close(process)
    pid = os.fork()
    if pid:  # only waits; without the control socket
        if control:
            control.close()
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 255)
    confine.prctl(confine.PR_SET_PDEATHSIG, signal.SIGKILL)
    confine.mount("proc", "/proc")


def _warmed(networks: list[str]) -> Any:
    """Import and load what submissions use, and use it once, so that children find it in shared memory."""
    import torch

    from netlens_core.networks import load_network

    from . import student
    from .notebook import Notebook

    torch.set_num_threads(1)
    for name in networks:
        network = load_network(name, device="cpu")
        network.probabilities(torch.zeros(3, network.input_size, network.input_size))
    notebook = Notebook()
    notebook.rehearse()
    student.reseed(0)
    return notebook


def _serve(control: socket.socket, config: dict[str, Any], notebook: Any) -> None:
    full = config["level"] == "full"
    own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY) if full else -1
    waiting = selectors.DefaultSelector()
    waiting.register(control, selectors.EVENT_READ)
    config["folders"] = (
        [path for path, it in _tree("/tmp").items() if stat.S_ISDIR(it[0]) and path != "/tmp"] if full else []
    )
    ready = _state(config["kit"], full)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is control:
                data, descriptors, _, _ = socket.recv_fds(control, 65536, 3)
                if not data:  # the grader is gone; our exit ends everything below us
                    os._exit(0)
                wish = json.loads(data)
                if not descriptors:  # it asks whether all is as it was
                    now = _state(config["kit"], full)
                    control.send(json.dumps({"changed": [name for name in ready if now[name] != ready[name]]}).encode())
                    continue
                pid, locked = _fork(wish, descriptors, config, notebook, own_pids)
                pidfd = os.pidfd_open(pid)
                socket.send_fds(control, [b"{}"], [pidfd])
                waiting.register(pidfd, selectors.EVENT_READ, (pid, locked))
            else:
                waiting.unregister(key.fileobj)
                os.close(key.fd)
                control.send(json.dumps(_obituary(*key.data)).encode())


def _state(kit: str, full: bool) -> dict[str, Any]:
    """What must be the same before every fork, by the name under which a difference is told."""
    state: dict[str, Any] = {
        "the student kit": _tree(kit),
        "its descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "its threads": sum(1 for _ in Path("/proc/self/task").iterdir()),
    }
    if full:  # elsewhere these are the machine's own, which others change too
        disk = os.statvfs("/tmp")
        state["its temporary files"] = _tree("/tmp"), disk.f_bfree, disk.f_ffree
        state["its mounts"] = Path("/proc/self/mountinfo").read_bytes()
    return state


def _tree(folder: str) -> dict[str, tuple[int, ...]]:
    """A folder and everything below it, parents first: mode, owner, identity, size and times."""
    paths = [folder]
    for parent, folders, files in os.walk(folder):
        paths += [f"{parent}/{name}" for name in (*folders, *files)]
    found = [(path, os.lstat(path)) for path in paths]
    return {
        path: (it.st_mode, it.st_uid, it.st_gid, it.st_ino, it.st_size, it.st_mtime_ns, it.st_ctime_ns)
        for path, it in found
    }


def _fork(
    wish: dict[str, Any], descriptors: list[int], config: dict[str, Any], notebook: Any, own_pids: int
) -> tuple[int, int]:
    """Fork a child; its process number, and a pipe in which it tells once that it is locked in."""
    full = own_pids >= 0
    locked, said = os.pipe()
    if full:  # the next child is process 1 of its own namespace
        confine.unshare(confine.NEWPID)
    pid = os.fork()
    if pid == 0:
        _child(wish, [*descriptors, said], config, notebook)
    if full:
        confine.checked(confine.libc.setns(own_pids, confine.NEWPID), "setns")
    for descriptor in (*descriptors, said):
        os.close(descriptor)
    return pid, locked


def _obituary(pid: int, locked: int) -> dict[str, Any]:
    _, status, usage = os.wait4(pid, 0)
    with os.fdopen(locked, "rb") as note:
        fully_locked = note.read() == b"locked"
    return {
        "exit": os.waitstatus_to_exitcode(status),
        "locked": fully_locked,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
    }


def _child(wish: dict[str, Any], descriptors: list[int], config: dict[str, Any], notebook: Any) -> None:
    """Keep only: 0 /dev/null, 1 and 2 the log, 3 replies, 4 requests, 5 the note that all locks hold. Then run."""
    try:
        null = os.open("/dev/null", os.O_RDONLY)
        requests, replies, log, said = [os.dup2(fd, 100 + i) for i, fd in enumerate(descriptors)]
        for target, descriptor in enumerate((null, log, log, replies, requests, said)):
            os.dup2(descriptor, target)
        os.closerange(6, 65536)
        if config["level"] != "none":
            lock(wish, config)
        else:
            os.setsid()
            confine.die_with_parent()
        os.chdir(wish["work"])
        os.write(5, b"locked")
        os.close(5)  # the submission never holds this end
        from . import student

        student.serve(notebook, wish["work"])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)  # only what a submission does by itself ends with 0


def lock(wish: dict[str, Any], config: dict[str, Any]) -> None:
    """Every lock of the level, or an exception: then no student code runs."""
    work, full = wish["work"], config["level"] == "full"
    process = confine.own_process()
    own = f"/proc/{os.getpid()}"  # libraries look at their own process there, as scikit-learn does
    confine.write_to(process, "oom_score_adj", "1000")
    if full:
        seen = [own, *MACHINE]
        confine.private_world(process, work, wish["disk_bytes"], wish["files"], config["folders"], kept=seen)
        os.close(process)
    else:  # left open, so that the kernel does not forget the folder that Landlock's rule is about
        seen = [own]
        os.setsid()
    # The kernel counts by user: without a namespace of its own, a submission would pay for all that the user runs.
    processes = wish["processes"] + (0 if full else confine.tasks_of_user())
    confine.limit_resources(wish["memory_bytes"], wish["cpu_seconds"], processes, wish["disk_bytes"])
    confine.drop_capabilities()
    confine.die_with_parent()
    listed, writable = list(config["listed"]), [work]
    if full:
        listed += ["/proc"]
        writable += ["/tmp", "/dev/shm"]
    version = confine.landlock([*config["readable"], *seen], listed, writable, DEVICES)
    syscalls.restrict_system_calls(full, version)
    if not full:
        copying.copy_without_metadata()


if __name__ == "__main__":
    main()
