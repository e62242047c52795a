"""A simulated node as a cluster has it, watched by a real Prometheus: driver, kubelet, device plugin, `tranche node`, and
an API server that knows the node's pods. Everything listens on loopback ports or sockets of its own."""

import contextlib
import http.server
import json
import pathlib
import subprocess
import tempfile
import threading
import urllib.parse

from promtool import Prometheus
from sightbed import BIN, HANGS, SCALE, Groups, Node, Sight, free_port, until

RESOURCE = "nvidia.com/gpu.shared"
SHARING = """version: v1
sharing:
  timeSlicing:
    renameByDefault: true
    resources:
    - {name: nvidia.com/gpu, replicas: 4}
"""


class Api(http.server.ThreadingHTTPServer):
    """As much of an API server as a watch of a node's pods needs. While it is `away` it answers nobody."""
    daemon_threads = True

    def __init__(self, pods):
        super().__init__(("127.0.0.1", 0), Answer)
        self.pods = pods
        self.away = threading.Event()
        self.here = threading.Event()
        self.ended = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def kubeconfig(self, path):
        server = f"http://127.0.0.1:{self.server_address[1]}"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": server}}], "users": [],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}]}))
        return path

    def handle_error(self, *_):
        """A client that hangs up is none."""


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if self.server.away.is_set() or not self.path.startswith("/api/v1/pods"):
            self.reply(404, {"kind": "Status", "message": "nobody is here"})
        elif "watch" in query:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.flush()
            while not self.server.away.wait(0.2) and not self.server.ended.is_set():
                pass
        else:
            self.reply(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"},
                             "items": self.server.pods})

    def reply(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def pod_object(name, uid, container):
    return {"metadata": {"name": name, "namespace": "default", "uid": uid}, "spec": {"nodeName": "worker-1"},
            "status": {"phase": "Running",
                       "containerStatuses": [{"name": "main", "containerID": f"containerd://{container}"}]}}


class WatchedBed(contextlib.ExitStack):
    """with WatchedBed(names) as bed: … ; the names are those of pods that the API server knows."""

    def __init__(self, names):
        super().__init__()
        self.names = names

    def __enter__(self):
        super().__enter__()
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self.begin()
            undo.pop_all()
        return self

    def begin(self):
        self.groups = self.enter_context(Groups())
        if self.groups.root is None:
            return
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory(prefix="tranche-watched-")))
        self.node = self.enter_context(Node(BIN.parent, SCALE, 50))
        self.pods, objects = {}, []
        for number, name in enumerate(self.names, 1):
            uid = f"6d2f1d4e-5c0f-4b39-9a50-{number:012x}"
            self.pods[name] = self.groups.container(uid, number)
            objects.append(pod_object(name, uid, self.pods[name].name))
        self.api = Api(objects)
        self.callback(self.end_api)
        self.begin_programs()

    def end_api(self):
        self.api.ended.set()
        self.api.shutdown()
        self.api.server_close()

    def begin_programs(self):
        self.control = self.folder / "control.sock"
        self.config = self.folder / "config.yaml"
        self.config.write_text(SHARING)
        plugins, resources = self.folder / "device-plugins", self.folder / "pod-resources.sock"
        kubelet = self.run("sim", "kubelet", "--dir", plugins, "--state", self.folder / "kubelet", "--control",
                           self.control, "--pod-resources", resources, "--end-pods")
        until((plugins / "kubelet.sock").exists, kubelet)
        self.agent_port = free_port()
        agent = self.run("agent", f"--kubelet-socket={plugins}/kubelet.sock", f"--config-file={self.config}",
                         f"--container-driver-root={self.node.root}", f"--sys-root={self.node.root}",
                         f"--pod-resources-socket={resources}", f"--run-dir={self.folder}/run",
                         f"--cdi-dir={self.folder}/cdi", f"--listen=127.0.0.1:{self.agent_port}", "--rescan-interval=1s")
        self.sight = self.enter_context(Sight(
            self.node, f"--pod-resources-socket={resources}", "--node-name=worker-1", "--rescan-interval=1s",
            f"--kubeconfig={self.api.kubeconfig(self.folder / 'kubeconfig')}", "--dcgm-names=on"))
        until((self.folder / "run/status.json").exists, agent)
        self.sim("wait", f"{RESOURCE}=8", "--control", self.control, "--timeout", HANGS)
        (self.folder / "prometheus").mkdir()
        self.prometheus = Prometheus(
            self.folder / "prometheus", free_port(),
            {"tranche-plugin-x": f"127.0.0.1:{self.agent_port}", "tranche-node-x": f"127.0.0.1:{self.sight.port}"},
            {"instance": "worker-1", "namespace": "gpu-operator", "container": "tranche"})
        self.callback(self.prometheus.stop)
        until(self.prometheus.scrapes, self.prometheus.process)

    def run(self, *arguments):
        log = self.enter_context(open(self.folder / f"{arguments[0]}.log", "w"))
        process = subprocess.Popen([BIN / "tranche", *map(str, arguments)], stdout=log, stderr=log)

        def end():
            process.terminate()
            process.wait()

        self.callback(end)
        return process

    def sim(self, *arguments):
        return subprocess.run([BIN / "tranche", "sim", *map(str, arguments)], check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def give(self, pod, count=1):
        """The kubelet gives a pod shares of GPUs; what it runs there sleeps."""
        self.sim("pod", "run", pod, "--control", self.control, "--request", f"{RESOURCE}={count}")

    def take(self, pod):
        self.sim("pod", "delete", pod, "--control", self.control)
