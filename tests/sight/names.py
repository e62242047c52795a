"""An API server as far as `tranche node` needs one for the names of pods: the list of them and a watch that stays
open, over http on the loopback interface. While its event `away` is set it answers nobody.
with Names([pod(…)]) as names: … --kubeconfig=names.kubeconfig"""

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
                if "watch" in urllib.parse.parse_qs(address.query):
                    while not outer.ended.wait(0.1) and not outer.away.is_set():
                        pass
                else:
                    self.wfile.write(json.dumps({"kind": "PodList", "apiVersion": "v1", "items": outer.pods,
                                                 "metadata": {"resourceVersion": "1"}}).encode())

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
