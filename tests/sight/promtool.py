"""Debian's prometheus and promtool, and the rules that we ship. TRANCHE_PROMETHEUS names the folder of the two programs
(tools/prometheus prints it)."""

import json
import os
import pathlib
import re
import subprocess
import unittest
import urllib.parse
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
RULES = SOURCE / "deploy/monitoring/tranche-rules.yaml"
BOARD = SOURCE / "deploy/monitoring/tranche-dashboard.json"
FOLDER = os.environ.get("TRANCHE_PROMETHEUS")
needs_prometheus = unittest.skipUnless(FOLDER, "TRANCHE_PROMETHEUS names no folder with prometheus and promtool")


def promtool(*arguments, text=None):
    """Its exit status, and all that it says."""
    done = subprocess.run([pathlib.Path(FOLDER) / "promtool", *map(str, arguments)], input=text, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def quick_rules(text):
    """The shipped rules, as YAML or JSON, with a few seconds in place of every minute and hour, for troubles that are short: what they
    compute and tell is the same, and when they do so is what promtool's tests say."""
    for slow, quick in ((r"\[5m\]", "[10s]"), (r'(\bfor"?: "?)\d+m', r"\g<1>0s"), (r"> 3600\b", "> 8")):
        text, count = re.subn(slow, quick, text)
        if not count:
            raise AssertionError(f"no {slow} in the rules")
    return text


class Prometheus:
    """A real one, on a loopback port of its own, with its data in `folder`. `through`: the words before its command."""

    def __init__(self, folder, port, scrapes, rules, through=()):
        folder = pathlib.Path(folder)
        (folder / "rules.yaml").write_text(quick_rules(rules))
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yaml")], "scrape_configs": scrapes}
        (folder / "prometheus.yaml").write_text(json.dumps(config))  # JSON is YAML
        self.url = f"http://127.0.0.1:{port}"
        self.log = open(folder / "log", "w")
        self.process = subprocess.Popen(
            [*through, pathlib.Path(FOLDER) / "prometheus", f"--config.file={folder}/prometheus.yaml",
             f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=self.log, stderr=self.log, cwd=folder)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def get(self, path, **arguments):
        query = urllib.parse.urlencode(arguments, doseq=True)
        with urllib.request.urlopen(f"{self.url}{path}?{query}", timeout=60) as answer:
            return json.loads(answer.read())["data"]

    def scrapes(self):
        """Whether every target has been scraped."""
        try:
            up = self.query("up")
        except OSError:
            return False
        return bool(up) and all(value == 1 for _, value in up)

    def query(self, text):
        """[(labels, value)] at this moment."""
        found = self.get("/api/v1/query", query=text)
        if found["resultType"] == "scalar":
            return [({}, float(found["result"][1]))]
        return [(sample["metric"], float(sample["value"][1])) for sample in found["result"]]

    def value(self, text):
        """The one value of a query; None where it has none."""
        found = self.query(text)
        if len(found) > 1:
            raise AssertionError(f"{text}: {found}")
        return found[0][1] if found else None

    def firing(self, name, **labels):
        """The alerts of this name and these labels that fire."""
        return [alert for alert in self.get("/api/v1/alerts")["alerts"]
                if alert["state"] == "firing" and alert["labels"]["alertname"] == name
                and labels.items() <= alert["labels"].items()]
