"""An API server as far as `tranche node` needs one for the names of pods: the list of them and a watch that stays
open, over http on the loopback interface. While its event `away` is set it answers nobody.
with Names([pod(…)]) as names: … --kubeconfig=names.kubeconfig
names.annotate(name, {key: value}) changes a pod; names.events are the Events that it was sent."""

import http.server
import json
import pathlib
import tempfile
import threading
import urllib.parse

CONFIG = """apiVersion: v1
kind: Config
current-context: test
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
clusters: [{{name: test, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: test, user: {{}}}}]
"""


def pod(uid, namespace, name, containers):
    """`containers`: {the number of its control group (sightbed.Groups): its name}"""
    return {"metadata": {"uid": uid, "namespace": namespace, "name": name, "resourceVersion": "1"},
            "spec": {"nodeName": "worker-1", "containers": [{"name": each} for each in containers.values()]},
            "status": {"containerStatuses": [{"name": each, "containerID": f"containerd://{number:064x}"}
                                             for number, each in containers.items()]}}


class Names:
    def __init__(self, pods):
        self.pods = pods
        self.away = threading.Event()
        self.changes, self.changed = [], threading.Condition()
        self.events = []

    def annotate(self, name, annotations):
        """The pod of this name has these from now on."""
        (found,) = [each for each in self.pods if each["metadata"]["name"] == name]
        with self.changed:
            self.changes.append(None)
            found["metadata"]["annotations"] = annotations
            found["metadata"]["resourceVersion"] = self.version()
            self.changes[-1] = json.dumps({"type": "MODIFIED", "object": found}) + "\n"
            self.changed.notify_all()

    def version(self):
        return str(1 + len(self.changes))

    def __enter__(self):
        outer = self
        self.ended = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                address = urllib.parse.urlsplit(self.path)
                if address.path != "/api/v1/pods":
                    return self.send_error(404)
                if outer.away.is_set():
                    return self.send_error(503)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                query = urllib.parse.parse_qs(address.query)
                if "watch" in query:
                    return self.follow(int(query.get("resourceVersion", ["1"])[0]) - 1)
                with outer.changed:
                    self.wfile.write(json.dumps({"kind": "PodList", "apiVersion": "v1", "items": outer.pods,
                                                 "metadata": {"resourceVersion": outer.version()}}).encode())

            def follow(self, seen):
                """What changes, until this server ends or goes away."""
                while not outer.ended.is_set() and not outer.away.is_set():
                    with outer.changed:
                        outer.changed.wait_for(lambda: len(outer.changes) > seen, timeout=0.1)
                        news, seen = outer.changes[seen:], len(outer.changes)
                    for line in news:
                        self.wfile.write(line.encode())

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.events.append(body)
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.folder = tempfile.TemporaryDirectory(prefix="tranche-names-")
        self.kubeconfig = pathlib.Path(self.folder.name) / "config"
        self.kubeconfig.write_text(CONFIG.format(port=self.server.server_address[1]))
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.folder.cleanup()
