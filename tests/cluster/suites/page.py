"""The commands of a page of docs/, read from it, so that what is run is what is written there."""

import re

import bed


class Page:
    """Each section (## …) with its blocks of commands (```console)."""

    def __init__(self, path):
        text = (bed.ROOT / path).read_text(encoding="utf-8")
        self._sections = {}
        for part in re.split(r"^## ", text, flags=re.M)[1:]:
            heading, _, body = part.partition("\n")
            blocks = re.findall(r"^```console\n(.*?)^```$", body, re.M | re.S)
            if blocks:
                self._sections[heading] = [command for block in blocks for command in commands_of(block)]
        self.unread = set(self._sections)

    def commands(self, heading):
        """Those of a section, in their order."""
        bed.expect(heading in self._sections, f"the page has no section with commands: {heading}")
        self.unread.discard(heading)
        return self._sections[heading]


def commands_of(block):
    """A line each, however many it is written in."""
    return [line for line in re.sub(r"\\\n\s*", "", block).splitlines() if line.strip()]
