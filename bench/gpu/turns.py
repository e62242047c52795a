"""How a GPU shared its time, from when each of two processes found itself computing."""

import statistics

BINS_US = (50, 100, 200, 400, 800, 1200, 1600, 2000, 2400, 3200, 6400, 25600)


def runs(probe):
    """[(begin, end)] of a probe's computing: what is between its gaps."""
    edges = [probe["begin_ns"], *[edge for gap in probe["gaps"] for edge in gap], probe["end_ns"]]
    return list(zip(edges[::2], edges[1::2]))


def shared(probes):
    """From when on, and until when, both were there."""
    return max(p["begin_ns"] for p in probes), min(p["end_ns"] for p in probes)


def inside(spans, begin, end):
    return [span for span in spans if begin <= span[0] and span[1] <= end]


def switches(mine, theirs, begin, end):
    """What was lost at each change from one to the other: from the end of a run of one to the next of the other."""
    starts = sorted((span[0], number) for number, spans in enumerate((mine, theirs))
                    for span in inside(spans, begin, end))
    ends = sorted((span[1], number) for number, spans in enumerate((mine, theirs))
                  for span in inside(spans, begin, end))
    lost, at = [], 0
    for end_ns, who in ends:
        while at < len(starts) and starts[at][0] < end_ns:
            at += 1
        if at < len(starts) and starts[at][1] != who:
            lost.append(starts[at][0] - end_ns)
    return lost


def summary(values_ns):
    """Microseconds."""
    if not values_ns:
        return None
    ordered = sorted(values_ns)
    return {"count": len(ordered), "least": ordered[0] / 1e3, "median": statistics.median(ordered) / 1e3,
            "p99": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] / 1e3, "most": ordered[-1] / 1e3}


def histogram(values_ns):
    """[(upper edge in microseconds or None, count)]"""
    counts = [0] * (len(BINS_US) + 1)
    for value in values_ns:
        counts[next((i for i, edge in enumerate(BINS_US) if value / 1e3 < edge), len(BINS_US))] += 1
    return list(zip((*BINS_US, None), counts))


def analyse(probes):
    begin, end = shared(probes)
    each = [inside(runs(probe), begin, end) for probe in probes]
    lengths = [b - a for spans in each for a, b in spans]
    gaps = [b - a for probe in probes for a, b in inside(probe["gaps"], begin, end)]
    return {"shared_s": (end - begin) / 1e9,
            "computing_share": [sum(b - a for a, b in spans) / (end - begin) for spans in each],
            "run_us": summary(lengths), "gap_us": summary(gaps),
            "switch_us": summary(switches(*each, begin, end)),
            "run_histogram": histogram(lengths), "gap_histogram": histogram(gaps)}
