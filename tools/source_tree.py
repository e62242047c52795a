"""What the checks of the tree share: which files are ours, what they include, and circles in a graph."""

import pathlib
import re

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
SUFFIXES = {".h", ".cc", ".c", ".inc"}
TOPS = ("src", "sim")


def sources(root, tops=TOPS, suffixes=SUFFIXES):
    """The paths below the folders named, as text relative to root."""
    return [path.relative_to(root).as_posix() for top in tops for path in sorted((root / top).rglob("*"))
            if path.suffix in suffixes and path.is_file()]


def includes(root, path):
    """(line number, bracket, name) of each include of a file."""
    for number, line in enumerate((root / path).read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, *match.groups()


def find(root, includer, name):
    """The path in the tree of an included file, or None for one from outside."""
    for candidate in (f"src/{name}", name, f"{pathlib.PurePath(includer).parent}/{name}"):
        if (root / candidate).is_file():
            return candidate
    return None


def within(path, place):
    """Whether path is the file or lies in the folder that place names."""
    return path == place or path.startswith(place + "/")


def is_test(path):
    return path.endswith("_test.cc") or "testing" in pathlib.PurePath(path).parts


def circle(graph):
    """A circle in {node: nodes}, as a list of which the first is the last, or None."""
    done, way = set(), []

    def visit(node):
        if node in way:
            return way[way.index(node):] + [node]
        if node in done:
            return None
        way.append(node)
        for following in sorted(graph.get(node, ())):
            found = visit(following)
            if found:
                return found
        done.add(way.pop())
        return None

    return next(filter(None, map(visit, sorted(graph))), None)
