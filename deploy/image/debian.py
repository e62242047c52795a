"""What Debian knows of the files of the image: packages, versions, licences, shared objects."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

CACHE = pathlib.Path(os.environ.get("TRANCHE_CACHE") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME") or
                                  pathlib.Path.home() / ".cache") / "tranche")


class Failed(Exception):
    """The image cannot be made; the text says why."""


def output_of(*command, **more):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, **more)
    if done.returncode != 0:
        raise Failed(f"{' '.join(str(word) for word in command)} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def canonical(path):
    """The path with its folder's links followed: where a file of a merged /usr really is."""
    path = pathlib.Path(path)
    return path.parent.resolve() / path.name


class Package:
    def __init__(self, name, version, source, architecture, control, copyright_file):
        self.name, self.version, self.source = name, version, source
        self.architecture, self.control, self.copyright_file = architecture, control, copyright_file

    def __repr__(self):
        return f"{self.name} {self.version}"


FORMAT = "${binary:Package}\t${Version}\t${source:Package} ${source:Version}\t${Architecture}\n"


class Packages:
    """The packages that files of this machine, and fetched ones, belong to. `newest` gives the version to take of an
    installed package, in place of what is pinned."""

    def __init__(self, pins=None, newest=None):
        self.pins = pins or {}
        self._wanted = newest or (lambda package: self.pins.get(package.name, package.version))
        self.of_name = {}
        self.of_file = {}
        self._taken = {}

    def content(self, path):
        """The file to take for an installed one: where another version of its package is pinned, that of the version
        pinned, which is downloaded; where Debian does not serve it, the installed one."""
        path = pathlib.Path(path)
        package = self.owner(path)
        files = self._files_of(package)
        if files is None:
            return path.resolve()
        for some in (path, canonical(path)):
            name = str(some).lstrip("/")
            for place in (name, name.removeprefix("usr/"), f"usr/{name}"):  # /usr may not have been merged yet
                if (files / place).exists():
                    return (files / place).resolve()
        raise Failed(f"{self.of_name[package.name]} has no {path}")

    def _files_of(self, package):
        """The folder of the version to take; None where that is the installed one."""
        if package.name not in self._taken:
            self._taken[package.name] = None
            version = self._wanted(package)
            if version != package.version:
                with contextlib.suppress(Failed):
                    self._taken[package.name] = self.fetched(package.name, version)
        return self._taken[package.name]

    def owner(self, path):
        """The package of one installed file."""
        path = pathlib.Path(path)
        self.look_up([path])
        return self.of_file[path]

    def look_up(self, paths):
        """Finds the packages of installed files, by any of the names dpkg may know them by."""
        names = {}
        for path in map(pathlib.Path, paths):
            if path not in self.of_file:
                some = {str(path), str(canonical(path)), str(path.resolve())}
                names[path] = some | {name.removeprefix("/usr") for name in some if name.startswith("/usr/")}
        if not names:
            return
        done = subprocess.run(["dpkg-query", "-S", *sorted(set().union(*names.values()))],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              env={**os.environ, "LC_ALL": "C"})
        owners = {}
        for line in done.stdout.splitlines():
            owner, _, name = line.partition(": ")
            if not owner.startswith("diversion "):
                owners.setdefault(name, set()).add(owner)
        for path, some in names.items():
            found = set().union(*(owners.get(name, set()) for name in some))
            if len(found) != 1:
                raise Failed(f"{path} belongs to {len(found)} Debian packages, and must belong to one")
            self.of_file[path] = self.installed(found.pop())

    def installed(self, name):
        line = output_of("dpkg-query", "-W", "-f", FORMAT, name).splitlines()[0]
        full, version, source, architecture = line.split("\t")
        plain = full.split(":")[0]
        if plain not in self.of_name:
            self.of_name[plain] = Package(plain, version, source, architecture,
                                          output_of("dpkg-query", "-s", full),
                                          pathlib.Path("/usr/share/doc") / plain / "copyright")
        return self.of_name[plain]

    def fetched(self, name, version=None):
        """Downloads a package without installing it; the folder that holds its files."""
        pinned = self.pins.get(name)
        if version is None:
            version = pinned if pinned and (stored(name, pinned) / "complete").exists() else candidate(name)
        folder = stored(name, version)
        if not (folder / "complete").exists():
            fetch(name, version, folder)
        control = (folder / "control").read_text(encoding="utf-8")
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", control, re.M))
        source = re.fullmatch(r"(\S+)(?: \((.*)\))?", fields.get("Source", name))
        licence = folder / "files/usr/share/doc" / name / "copyright"
        if not licence.exists():  # a link into another package
            licence = pathlib.Path("/usr/share/doc") / name / "copyright"
        self.of_name[name] = Package(name, fields["Version"], f"{source[1]} {source[2] or fields['Version']}",
                                     fields["Architecture"], control, licence)
        return folder / "files"


def candidate(name):
    for attempt in (0, 1):
        shown = re.search(r"^Version: (.*)$",
                          subprocess.run(["apt-cache", "show", "--no-all-versions", name],
                                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout,
                          re.M)
        if shown:
            return shown[1]
        if attempt == 0:  # a fresh machine has no lists of packages
            as_root = [] if os.getuid() == 0 else ["sudo"]
            subprocess.run([*as_root, "apt-get", "-q", "update"], stdout=subprocess.DEVNULL)
    raise Failed(f"apt knows no package {name}")


def stored(name, version):
    return CACHE / f"image-{name}-{re.sub('[^A-Za-z0-9.+~-]', '_', version)}"


def fetch(name, version, folder):
    """Into a folder of its own first: another build may be at it as well."""
    CACHE.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=CACHE))
    try:
        sandbox = ["-o", "APT::Sandbox::User=root"] if os.getuid() == 0 else []
        output_of("apt-get", "-q", *sandbox, "-o", "Acquire::Retries=3", "download", f"{name}={version}", cwd=work)
        package = next(work.glob("*.deb"))
        output_of("dpkg-deb", "-x", package, work / "files")
        (work / "control").write_text(output_of("dpkg-deb", "-f", package), encoding="utf-8")
        package.unlink()
        (work / "complete").touch()
        work.chmod(0o755)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def shared_objects(path):
    """The shared objects a program or library is loaded with: name the loader asks for → file."""
    found = {}
    for line in output_of("ldd", path, env={**os.environ, "LC_ALL": "C", "LD_LIBRARY_PATH": ""}).splitlines():
        if "not found" in line:
            raise Failed(f"{path} needs {line.strip()}")
        loaded = re.match(r"\s*(\S+) => (/\S+) \(", line) or re.match(r"\s*(/\S+)() \(", line)
        if loaded:
            found[loaded[1]] = pathlib.Path(loaded[2] or loaded[1])
    return found


def library(name):
    """The file that the loader would take for a name."""
    for folder in ("/usr/lib/" + output_of("gcc", "-print-multiarch").strip(), "/usr/lib"):
        path = pathlib.Path(folder) / name
        if path.exists():
            return path
    raise Failed(f"there is no {name} on this machine (tools/install-packages build)")
