"""The tree of the image: what is where, from which file, belonging to which package."""

import pathlib
import platform
import re

import debian

HERE = pathlib.Path(__file__).resolve().parent
SHIM = "/usr/lib/tranche/shim"  # where tranche looks, being in /usr/bin


class Entry:
    """One path of the image: exactly one of folder, link, file (a path here), data."""

    def __init__(self, mode, *, link=None, file=None, data=None):
        self.mode, self.link, self.file, self.data = mode, link, file, data

    @property
    def folder(self):
        return self.link is None and self.file is None and self.data is None

    def content(self):
        return self.data if self.data is not None else pathlib.Path(self.file).read_bytes()


class Contents:
    """deploy/image/contents, read."""

    def __init__(self, path=HERE / "contents"):
        self.lines = [line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines()
                      if line.strip() and not line.startswith("#")]

    def all(self, word):
        return [rest for first, rest in self.lines if first == word]

    def config(self):
        """User, WorkingDir, Entrypoint, Cmd and Env as OCI names them."""
        values = [line.split(maxsplit=1) for line in self.all("config")]
        one = dict(values)
        return {"User": one["user"], "WorkingDir": one["workdir"], "Entrypoint": one["entrypoint"].split(),
                "Cmd": one["cmd"].split(), "Env": [value for key, value in values if key == "env"]}


class Tree:
    def __init__(self):
        self.entries = {}
        self.links = {}

    def add(self, path, entry):
        path = self.real(str(path))
        for parent in reversed(pathlib.PurePosixPath(path).parents):
            if str(parent) != "/" and str(parent) not in self.entries:
                self.entries[str(parent)] = Entry(0o755)
        self.entries[path] = entry

    def real(self, path):
        """The path with the tree's own links of folders (/bin → usr/bin) followed."""
        for link, target in self.links.items():
            if path.startswith(link + "/"):
                folder = target if target.startswith("/") else f"/{target}"
                return folder + path.removeprefix(link)
        return path

    def link(self, path, target):
        self.links[path] = target
        self.add(path, Entry(0o777, link=target))

    def sorted(self):
        return sorted(self.entries.items())


def base(contents, packages, binary):
    """The layer that changes only when Debian does: libraries, a shell, licences."""
    tree = Tree()
    for line in contents.all("link"):
        tree.link(*line.split())
    for line in contents.all("folder"):
        mode, path = line.split()
        tree.add(path, Entry(int(mode, 8)))
    texts = {}
    for line in contents.all("text"):
        path, text = line.split(maxsplit=1)
        texts[path] = texts.get(path, "") + text + "\n"
    for path, text in texts.items():
        tree.add(path, Entry(0o644, data=text.encode()))
    tree.add("/etc/os-release", Entry(0o644, data=pathlib.Path("/etc/os-release").read_bytes()))
    multiarch = debian.output_of("gcc", "-print-multiarch").strip()
    tree.add(f"/etc/ld.so.conf.d/{multiarch}.conf", Entry(0o644, data=f"/usr/lib/{multiarch}\n".encode()))

    libraries(tree, contents, packages, binary)
    for program in contents.all("program"):
        tree.add(program, Entry(0o755, file=packages.content(program)))
    for line in contents.all("script"):
        path, text = line.split(maxsplit=1)
        tree.add(path, Entry(0o755, data=f"#!/bin/sh\n{text}\n".encode()))
    return tree


def libraries(tree, contents, packages, binary):
    """Each under the name that the loader asks for, where this machine has it."""
    wanted = dict(debian.shared_objects(binary))
    roots = [debian.library(name) for name in contents.all("library")]
    roots += [pathlib.Path(program) for program in contents.all("program")]
    for root in roots:
        if ".so" in root.name:
            wanted[root.name] = root
        wanted.update(debian.shared_objects(root))
    packages.look_up(wanted.values())
    for name, path in sorted(wanted.items()):
        # The loader's own name is a whole path, which programs hold.
        where = name if name.startswith("/") else debian.canonical(path)
        tree.add(where, Entry(0o755, file=packages.content(path)))


def linked_statically(packages, contents, link_command):
    """Packages whose archives or headers are in the program: their licences are owed as well."""
    archives = {word for word in link_command.split() if re.fullmatch(r"/\S+\.a", word)}
    packages.look_up(archives)
    found = {packages.owner(archive).name for archive in archives}
    return found | {packages.installed(name).name for name in contents.all("header")}


def licences(tree, packages, inside):
    """The copyright file of each package, and of those that lie there as files, dpkg's record of it."""
    for name, package in sorted(packages.of_name.items()):
        if not package.copyright_file.exists():
            raise debian.Failed(f"{name} has no copyright file at {package.copyright_file}")
        tree.add(f"/usr/share/doc/{name}/copyright",
                 Entry(0o644, data=package.copyright_file.read_bytes()))
        if name not in inside:
            tree.add(f"/var/lib/dpkg/status.d/{name}", Entry(0o644, data=package.control.encode()))


def shim(contents, binary, work):
    """{name: stripped file} of what goes into pods with a memory wall; nothing on machines that have no such walls."""
    if platform.machine() != "x86_64":
        return {}
    found = {}
    for pattern in contents.all("shim"):
        files = sorted((binary.parent / "shim").glob(pattern))
        if not files:
            raise debian.Failed(f"there is no {pattern} in {binary.parent / 'shim'}")
        for file in files:
            found[file.name] = work / file.name
            debian.output_of("strip", "--strip-all", "-o", found[file.name], file)
    return found


def product(contents, stripped, shim_files, sbom):
    """The layer that changes with each version of ours."""
    tree = Tree()
    tree.add("/usr/bin/tranche", Entry(0o755, file=stripped))
    for name, file in shim_files.items():
        tree.add(f"{SHIM}/{name}", Entry(0o644 if ".so" in name else 0o755, file=file))
    for name in contents.all("name"):
        tree.add(f"/usr/bin/{name}", Entry(0o777, link="tranche"))
    tree.add("/usr/share/tranche/sbom.spdx.json", Entry(0o644, data=sbom))
    return tree
