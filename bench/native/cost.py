"""What the simulation itself costs: launches a second, and the driver's memory with many clients."""

import time

from node import Node

SECONDS = 2


def launches(build, processes, seconds=SECONDS):
    """Kernels of 0.1 µs that all processes together launched in a second; the GPU would do ten million."""
    with Node(build, 1, 50) as node:
        report = node.report(node.start(
            f"steady --kernel 100ns --variation 0 --processes {processes} --for {seconds}s"))
        return report["total"]["launched"] / report["total"]["seconds"]


def memory(build, clients):
    """MiB of the driver's process: alone, and with so many clients that have a context and memory each."""
    with Node(build, 1, 50) as node:
        # While it starts it holds the texts that it reads, for a moment.
        alone = node.driver_memory_kib()
        for _ in range(10):
            time.sleep(0.1)
            alone = min(alone, node.driver_memory_kib())
        # A moment is enough: all are ready before one begins.
        process = node.start(f"hold --memory 16Mi --piece 16Mi --processes {clients} --for 5s")
        most = alone
        while process.poll() is None:
            most = max(most, node.driver_memory_kib())
            time.sleep(0.1)
        node.report(process)
        return [kib / 1024 for kib in (*alone, *most)]


def measure(build, smoke=False):
    """[(what, unit, value)]"""
    processes, clients, seconds = ((1, 2), 4, 0.2) if smoke else ((1, 16), 64, SECONDS)
    rows = [(f"launches through the driver, {count} process{'es' if count > 1 else ''}", "1/s",
             launches(build, count, seconds)) for count in processes]
    alone, alone_own, most, most_own = memory(build, clients)
    return rows + [("memory of the driver (PSS), no client", "MiB", alone),
                   ("of it its own data, no client", "MiB", alone_own),
                   (f"memory of the driver (PSS), {clients} clients", "MiB", most),
                   (f"of it its own data, {clients} clients", "MiB", most_own)]
