"""Which packages of the image are behind what Debian serves: its security updates first of all."""

import collections
import os
import pathlib
import subprocess
import time

import debian

LISTS = pathlib.Path("/var/lib/apt/lists")

# `archive`: as apt names it, "bookworm-security/main".
Behind = collections.namedtuple("Behind", "name version served archive")


def is_security(behind):
    return "-security/" in behind.archive


def refreshed(folder):
    """Downloads Debian's lists of packages into a folder of its own; this machine's stay as they are."""
    (folder / "partial").mkdir(parents=True)
    sandbox = ["-o", "APT::Sandbox::User=root"] if os.getuid() == 0 else []
    debian.output_of("apt-get", "-q", "update", *sandbox, "-o", "Acquire::Retries=3", *options(folder))
    return folder


def options(lists):
    """For lists that are not the machine's own: apt's caches are about those."""
    settings = (f"Dir::State::Lists={lists}", "Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache=")
    return [] if lists == LISTS else [word for setting in settings for word in ("-o", setting)]


def as_of(lists=LISTS):
    """The day of the lists; "" where there are none."""
    times = [file.stat().st_mtime for file in lists.glob("*_Packages*")] if lists.is_dir() else []
    return time.strftime("%Y-%m-%d", time.gmtime(max(times))) if times else ""


def served(names, lists=LISTS):
    """By name: (version, archive) of each binary package that the lists have."""
    found = {}
    text = debian.output_of("apt-cache", *options(lists), "madison", *sorted(names))
    for line in text.splitlines():
        name, version, source = (part.strip() for part in line.split("|"))
        # "http://deb.debian.org/debian-security bookworm-security/main amd64 Packages"
        words = source.split()
        if words[-1] == "Packages":
            found.setdefault(name, []).append((version, words[1]))
    return found


def newer(one, other):
    return subprocess.run(["dpkg", "--compare-versions", one, "gt", other]).returncode == 0


def behind(versions, lists=LISTS):
    """Packages of which a newer version is served. One that a security update is newer than names that."""
    found = []
    everything = served(versions, lists)
    for name, version in sorted(versions.items()):
        newest = [Behind(name, version, *one) for one in everything.get(name, []) if newer(one[0], version)]
        security = [one for one in newest if is_security(one)]
        found += (security or newest)[:1]
    return found


def newest(package):
    """The version that is served of it, or its own where none is newer."""
    return next((one.served for one in behind({package.name: package.version})), package.version)


def lines(found):
    return [f"  {one.name} {one.version} is behind: Debian serves {one.served} ({one.archive})" for one in found]
