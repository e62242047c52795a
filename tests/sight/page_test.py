"""The page of `tranche node` in a real browser: what it shows of programs on a simulated node, live."""

import json
import os
import pathlib
import socket
import subprocess
import unittest

import browser
import names
from sightbed import BIN, LARGE, SMALL, Programs, Sight, free_port, until

HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
PODS = [names.pod(SMALL, "team-red", "trainer", {1: "main"}),
        names.pod(LARGE, HOSTILE, "\"><b id=taken>", {2: "' onfocus=x "})]
CONFIG = """version: v1
sharing: {{timeSlicing: {{resources: [{{name: nvidia.com/gpu, replicas: 4}}]}}}}
{key}: true
"""
WALLS = """version: v1
sharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: 4}]}}
tranche: {memory: {mode: enforce, limit: 8Gi}}
"""
# The colours of a text and of what it stands on, as they are drawn, and the contrast that WCAG makes of them.
CONTRAST = """
const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
  .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = parse(getComputedStyle(at).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() &&
  [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && !e.closest('.unseen, .skip')).map((e) => {
  const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
  return [(a + 0.05) / (b + 0.05), e.tagName + '.' + e.className + ': ' + e.textContent.slice(0, 40)];
});
"""


@unittest.skipIf(browser.missing(), f"needs {browser.missing()} (tools/install-packages sight)")
class Page(Programs):
    def setUp(self):
        super().setUp()
        if self.groups.root is None:
            self.skipTest("no control group can be made here")
        self.small = self.groups.container(SMALL, 1)
        self.large = self.groups.container(LARGE, 2)
        self.names = self.enterContext(names.Names(list(PODS)))
        self.port = free_port()
        self.browser = self.enterContext(browser.Browser())

    def sight(self, *flags):
        """`tranche node` with its page, as often as it is started at the same address."""
        return Sight(self.node, f"--page-listen=127.0.0.1:{self.port}", "--node-name=worker-1",
                     f"--kubeconfig={self.names.kubeconfig}", *flags)

    def look(self):
        self.browser.open(f"http://localhost:{self.port}/")
        self.wait_for_state("live")

    def wait_for_state(self, state):
        self.browser.until(lambda: self.browser.run(
            "return document.getElementById('connection').dataset.state") == state, f"the state {state}")

    def wait_for(self, selector, *texts):
        """Until each of these is to be read in one such element."""
        self.browser.until(lambda: any(all(text in found for text in texts)
                                       for found in self.browser.texts(selector)), f"{texts} in {selector}")

    def sim(self, *arguments):
        subprocess.run([BIN / "tranche", "sim", *arguments, "--root", self.node.root], check=True,
                       stdout=subprocess.DEVNULL)

    def test_it_shows_who_uses_the_gpus_and_what_changes(self):
        with self.sight():
            steady = self.start("steady --memory 2Gi", self.small)
            self.look()
            self.wait_for("tbody tr", "trainer", "team-red · main", "GiB", "%")
            self.assertEqual(self.browser.texts("h3"), ["GPU 0", "GPU 1"])
            self.assertIn("worker-1", self.browser.text("h1"))
            self.assertIn("A100", self.browser.text(".gpu-detail"))
            self.wait_for("tbody td.busy", "%")
            self.browser.until(lambda: self.browser.run(
                "return document.querySelector('tbody .busy').getAttribute('d').length > 20"), "a timeline")
            self.assertEqual(len(self.browser.texts("tbody tr")), 1)
            self.browser.run("window.sameDocument = true; document.querySelector('tbody tr').dataset.same = 'yes'")

            hold = self.start("hold --memory 4Gi", self.large)
            self.browser.until(lambda: len(self.browser.texts("tbody tr")) == 2, "the second pod")
            self.wait_for("dl.summary .tile", "Pods on them", "2")
            self.wait_for("tbody td.memory", "4.")
            hold.kill()
            steady.kill()
            self.wait_for("tbody tr", "trainer", "0 B")
            self.assertTrue(self.browser.run("return window.sameDocument"), "nothing was loaded again")
            self.assertEqual(self.browser.run("return document.querySelectorAll('[data-same=yes]').length"), 1,
                             "a row keeps its element")
            self.assertEqual(self.browser.console(), [])

    def test_hostile_names_are_text(self):
        with self.sight():
            self.start("hold --memory 1Gi", self.large)
            self.look()
            self.wait_for("tbody tr", PODS[1]["metadata"]["name"], HOSTILE)
            self.assertEqual(self.browser.run("return document.querySelectorAll('main img, main script, #taken').length"), 0)
            self.browser.run("document.querySelector('.plot').focus()")
            self.browser.press("ArrowLeft")
            self.assertNotEqual(self.browser.run("return document.title"), "taken")
            self.assertEqual(self.browser.run("return document.querySelectorAll('main img, main script, #taken').length"), 0)
            self.assertEqual(self.browser.console(), [])

    def test_a_script_that_got_in_would_not_run(self):
        """What is behind the escaping: the policy. And that the console tells of it, so that the others can fail."""
        with self.sight():
            self.look()
            self.browser.run("const s = document.createElement('script'); s.textContent = 'window.ran = true';"
                             "document.body.append(s)")
            self.assertIsNone(self.browser.run("return window.ran ?? null"))
            self.assertIn("Content Security Policy", " ".join(self.browser.console()))

    def test_it_outlasts_a_restart_of_the_program(self):
        first = self.sight()
        self.start("steady --memory 2Gi", self.small)
        self.look()
        points = "return (document.querySelector('tbody .busy').getAttribute('d').match(/L/g) ?? []).length"
        self.wait_for("tbody tr", "trainer")
        self.browser.until(lambda: self.browser.run(points) > 8, "a few points")
        self.assertEqual(self.browser.console(), [])
        first.process.kill()
        self.wait_for_state("away")
        self.assertIn("Connection lost", self.browser.text("#connection"))
        self.assertIn("trainer", self.browser.text("tbody"), "what was known stays")
        before = self.browser.run(points)
        first.__exit__()
        with self.sight():
            self.wait_for_state("live")
            self.wait_for("tbody tr", "trainer", "team-red")
            self.browser.until(lambda: self.browser.run(points) > before, "more points than before")
            self.assertEqual([line for line in self.browser.console() if "net::ERR_" not in line], [])

    def test_where_all_streams_are_taken_it_asks(self):
        with self.sight():
            self.start("hold --memory 2Gi", self.small)
            held = []
            for _ in range(8):
                stream = self.enterContext(socket.create_connection(("127.0.0.1", self.port)))
                stream.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertIn(b" 200 ", stream.recv(100))
                held.append(stream)
            self.browser.open(f"http://127.0.0.1:{self.port}/")
            self.wait_for_state("asking")
            self.wait_for("tbody tr", "trainer")
            for stream in held:
                stream.close()
            self.wait_for_state("live")

    def test_it_is_used_by_keyboard(self):
        focused = "return document.activeElement.id || document.activeElement.className"
        with self.sight():
            self.start("steady --memory 2Gi", self.small)
            self.start("hold --memory 1Gi", self.large)
            self.look()
            self.browser.until(lambda: len(self.browser.texts("tbody tr")) == 2, "both pods")
            self.browser.press("Tab")
            self.assertEqual(self.browser.run(focused), "skip")
            self.browser.press("Enter")
            self.assertEqual(self.browser.run(focused), "gpus")
            self.browser.press("/", *"TRAINER")
            self.assertEqual(self.browser.run(focused), "filter")
            self.browser.until(lambda: len(self.browser.texts("tbody tr")) == 1, "the one that was looked for")
            self.browser.press("Tab")
            self.assertEqual(self.browser.run(focused), "plot")
            self.browser.press("ArrowLeft", "ArrowLeft")
            said = "return document.activeElement.getAttribute('aria-valuetext')"
            self.assertRegex(self.browser.run(said), r"^4\.0 s ago: ")
            self.assertEqual(self.browser.run("return getComputedStyle(document.activeElement).outlineStyle"), "solid")
            self.browser.press("Escape")
            self.assertNotIn("ago", self.browser.run(said))
            self.assertEqual(self.browser.run("return [...document.querySelectorAll('[tabindex]')]"
                                              ".filter(e => e.tabIndex > 0).length"), 0)

    def test_what_is_wrong_is_said(self):
        with self.sight():
            self.look()
            self.wait_for(".tile", "GPUs", "2 healthy")
            self.assertTrue(self.browser.run("return document.getElementById('attention').hidden"))
            self.sim("xid", "0", "79")
            self.wait_for("#attention li", "GPU 0 is unhealthy")
            self.wait_for(".gpu.unhealthy .health", "Unhealthy")
            self.wait_for(".tile.bad", "1 not healthy")

    def walled(self):
        """What makes pods walled: a kubelet that has given both pods a share of GPU 0, and the config. The names of the
        pods there are not ours to choose."""
        folder = pathlib.Path(self.names.folder.name)
        shown = subprocess.run([BIN / "tranche", "sim", "node", "show", "--root", self.node.root, "-o", "json"],
                               check=True, capture_output=True, text=True).stdout
        uuid = json.loads(shown)["gpus"][0]["uuid"]
        kubelet = subprocess.Popen([BIN.parent / "bench/held_pods", folder / "kubelet.sock", "2", uuid])
        self.addCleanup(kubelet.wait)
        self.addCleanup(kubelet.terminate)
        until((folder / "kubelet.sock").exists, kubelet)
        for uid, (number, held) in zip((SMALL, LARGE), enumerate(f"worker-{uuid[-12:]}-{i}" for i in range(2))):
            self.names.pods[number] = names.pod(uid, f"team-{number}", held, {number + 1: "main"})
        (folder / "config.yaml").write_text(WALLS)
        return [f"--config-file={folder}/config.yaml", f"--pod-resources-socket={folder}/kubelet.sock",
                f"--walls-directory={folder}/walls"]

    def test_who_keeps_to_no_wall_and_what_waits(self):
        with self.sight(*self.walled()):
            self.look()
            self.wait_for("#config div", "Walls", "standing")
            self.wait_for("tbody tr", "-0", "team-0 · main")
            self.assertTrue(self.browser.run("return document.getElementById('waiting').hidden"))
            self.assertEqual(self.browser.texts(".badge.no-wall"), [], "no program has come yet")
            programs = [self.start("steady --memory 2Gi", self.small), self.start("steady --memory 1Gi", self.large)]
            self.wait_for("tbody tr", "-0", "of 8.0 GiB", "no wall: no-shim")
            self.wait_for("#attention li", "team-0/worker-", "keeps to no wall on GPU 0", "without the shim")
            self.wait_for("#events li", "PodUnwalled")
            self.wait_for("#waiting li", "team-0/worker-", "waits for time on GPU 0", "2 pods computed at once")
            self.sim("xid", "0", "79")
            self.wait_for("#waiting li", "team-1/worker-", "waits for GPU 0", "unhealthy")
            self.sim("heal")
            for program in programs:
                program.kill()
            self.browser.until(lambda: not self.browser.texts(".badge.no-wall"), "the end of the programs")
            self.assertEqual(self.browser.console(), [])

    def test_the_config_in_force_and_its_warnings_are_shown(self):
        file = pathlib.Path(self.names.folder.name) / "sharing.yaml"
        file.write_text(CONFIG.format(key="unheard"))
        with self.sight(f"--config-file={file}"):
            self.look()
            self.wait_for("#config div", "Generation", "1")
            self.wait_for("#attention li", "config", "unheard")
            file.write_text(CONFIG.format(key="another"))
            self.wait_for("#attention li", "config", "another")
            self.assertNotIn("unheard", self.browser.text("#attention"), "the new one has come by itself")
            self.assertEqual(self.browser.console(), [])

    def test_light_and_dark_and_narrow(self):
        shown = pathlib.Path(os.environ.get("TRANCHE_PAGE_PICTURES") or self.names.folder.name)
        with self.sight():
            self.start("steady --memory 2Gi", self.small)
            self.start("paced --memory 6Gi --period 2ms", self.large)
            self.sim("xid", "1", "79")
            grounds = []
            for scheme in ("light", "dark"):
                self.browser.colors(scheme)
                self.look()
                self.wait_for("tbody tr", "trainer")
                self.wait_for("#attention li", "GPU 1 is unhealthy")
                found = self.browser.run(CONTRAST)
                self.assertGreater(len(found), 40)
                self.assertEqual([text for ratio, text in found if ratio < 4.5], [], scheme)
                grounds.append(self.browser.run("return getComputedStyle(document.body).backgroundColor"))
                self.browser.screenshot(shown / f"{scheme}.png")
            self.assertNotEqual(*grounds)
            self.browser.size(360, 800)
            self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"), 360)
            self.browser.screenshot(shown / "narrow.png")
            self.assertEqual(self.browser.console(), [])

    def test_strangers_are_turned_away(self):
        """A page whose name was made to mean this machine reads nothing."""
        with self.sight() as sight:
            self.browser.open(f"http://rebound.localhost:{self.port}/api/v1/node")
            self.assertIn("ask for localhost", self.browser.text())
            self.assertNotIn("NodeStatus", self.browser.text())
            until(lambda: sight.metrics(), sight.process)


if __name__ == "__main__":
    unittest.main()
