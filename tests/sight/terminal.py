"""A program in a terminal of its own: a pseudo-terminal whose screen is kept by pyte, which nobody here wrote."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pyte

HANGS = 120  # seconds: only ends what would never end


class Terminal:
    def __init__(self, arguments, columns=100, rows=30, **env):
        self.master, self.slave = pty.openpty()
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.bytes = b""  # all that was written
        self.set_size(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        plain = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(
            arguments, stdin=self.slave, stdout=self.slave, stderr=self.slave, start_new_session=True,
            env={**plain, **env}, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def set_size(self, columns, rows):
        """The kernel tells the program by SIGWINCH."""
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)

    def type(self, text):
        os.write(self.master, text.encode())

    def take(self, patience=0.05):
        """Shows what has come since; False where nothing has."""
        came = False
        while select.select([self.master], [], [], patience)[0]:
            piece = os.read(self.master, 65536)
            self.bytes += piece
            self.stream.feed(piece)
            came = True
        return came

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def until(self, seen, what):
        """Until `seen(text of the screen)`; says what the screen is where that never comes."""
        end = time.monotonic() + HANGS
        while time.monotonic() < end:
            self.take()
            if seen(self.text()):
                return self.text()
            if self.process.poll() is not None:
                break
        self.take()
        if seen(self.text()):
            return self.text()
        raise AssertionError(f"{what}: never seen, exit {self.process.poll()}:\n{self.text()}\n{self.bytes[-400:]!r}")

    def shows(self, *texts):
        return self.until(lambda screen: all(text in screen for text in texts), texts)

    def shows_no(self, text):
        return self.until(lambda screen: text not in screen, f"without {text}")

    def ends(self):
        """Its exit status, once it has ended by itself."""
        end = time.monotonic() + HANGS
        while self.process.poll() is None:
            self.take()
            if time.monotonic() > end:
                raise AssertionError(f"it does not end:\n{self.text()}")
        self.take()
        return self.process.returncode

    def stops(self):
        """Waits until it has stopped as by Ctrl-Z."""
        end = time.monotonic() + HANGS
        while time.monotonic() < end:
            self.take()
            with open(f"/proc/{self.process.pid}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "T":
                    return
        raise AssertionError("it does not stop")

    def is_restored(self):
        """Whether keys are echoed, the cursor is seen, lines wrap and the screen from before is back."""
        self.take()
        last = {mode: max(self.bytes.rfind(b"\x1b[?%s%c" % (mode, way)) for way in b"hl")
                for mode in (b"1049", b"25", b"7")}
        wanted = {b"1049": b"l", b"25": b"h", b"7": b"h"}
        return (termios.tcgetattr(self.slave) == self.before and
                all(at >= 0 and self.bytes[at + 3 + len(mode):at + 4 + len(mode)] == wanted[mode]
                    for mode, at in last.items()))

    def goes_on(self):
        os.kill(self.process.pid, signal.SIGCONT)
