"""A headless Chromium, driven by its own chromedriver (the WebDriver protocol, JSON over HTTP on the loopback
interface). with Browser() as browser: …"""

import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

HANGS = 120  # seconds: only ends what would never end
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Home": "\ue011", "End": "\ue010",
        "ArrowLeft": "\ue012", "ArrowRight": "\ue014"}


def missing():
    """What this machine lacks for a browser; "" where it lacks nothing."""
    return " ".join(name for name in ("chromium", "chromedriver") if shutil.which(name) is None)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Browser:
    def __init__(self, width=1280, height=1000):
        self.width, self.height = width, height

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tranche-browser-", ignore_cleanup_errors=True)
        self.port = free_port()
        environment = {**os.environ, "HOME": self.folder.name, "XDG_CONFIG_HOME": self.folder.name}
        self.log = open(pathlib.Path(self.folder.name) / "chromedriver.log", "w+")
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"], env=environment,
                                       stdout=self.log, stderr=self.log)
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def begin(self):
        self.session = None
        end = time.monotonic() + HANGS
        while self.driver.poll() is None and time.monotonic() < end:
            try:
                self.call("GET", "/status")
                break
            except OSError:
                time.sleep(0.05)
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
                            f"--window-size={self.width},{self.height}", f"--user-data-dir={self.folder.name}/data",
                            "--force-device-scale-factor=1", "--no-proxy-server"]}
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = f"/session/{made['sessionId']}"
        self.devtools("Emulation.setDeviceMetricsOverride", width=self.width, height=self.height, deviceScaleFactor=1,
                      mobile=False)

    def __exit__(self, *_):
        if getattr(self, "session", None):
            try:
                self.call("DELETE", self.session)
            except (OSError, RuntimeError):
                pass  # it has gone already
        self.driver.terminate()
        self.driver.wait(HANGS)
        self.log.close()
        self.folder.cleanup()

    def call(self, method, path, body=None):
        data = None if method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=method,
                                         headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=HANGS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.read().decode()[:2000]}") from None

    def devtools(self, command, **parameters):
        return self.call("POST", f"{self.session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, address):
        self.call("POST", f"{self.session}/url", {"url": address})

    def run(self, script, *arguments):
        """The value of a function body in the page."""
        return self.call("POST", f"{self.session}/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector="body"):
        """What a person reads there."""
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def texts(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", selector)

    def until(self, seen, what):
        end = time.monotonic() + HANGS
        while time.monotonic() < end:
            value = seen()
            if value:
                return value
            time.sleep(0.1)
        raise AssertionError(f"{what} never came; the page says:\n{self.text()}\n{self.console()}")

    def press(self, *keys):
        """Real key strokes, to whatever has the focus."""
        actions = []
        for key in keys:
            value = KEYS.get(key, key)
            actions += [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        self.call("POST", f"{self.session}/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def console(self):
        """What the page has told the console since the last call: errors and warnings."""
        entries = self.call("POST", f"{self.session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def colors(self, scheme):
        """ "light" or "dark": what the person prefers."""
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def size(self, width, height):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                      mobile=False)

    def screenshot(self, file, until=None):
        """As a PNG, of the whole page or down to the end of the element `until`."""
        extent = self.run("const box = document.querySelector(arguments[0])?.getBoundingClientRect();"
                          "return [document.documentElement.clientWidth,"
                          "box ? box.bottom + scrollY + 14 : document.documentElement.scrollHeight]", until or "none")
        shot = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                             clip={"x": 0, "y": 0, "width": extent[0], "height": extent[1], "scale": 1})
        pathlib.Path(file).write_bytes(base64.b64decode(shot["data"]))
