"""Who is on the GPUs, per pod: `tranche-node` by Helm on real Kubernetes, beside NVIDIA's own plugin and beside ours.

What it shows is compared with the account of the simulated driver.
"""

import json
import pathlib
import re
import subprocess
import urllib.request

import bed
from bed import expect, network, nvidia
from suites import scraped, usage
from suites.scene import NODE
from suites.sighted import DAEMONSET, NAMESPACE, SECONDS, SHARING, Load, Sighted, container, pod

NVIDIA_NAMESPACE = "nvidia-device-plugin"


# ---- beside NVIDIA's plugin, and beside ours ----

def nvidia_serves(cluster, upstream):
    """NVIDIA's plugin by its own chart: eight shares of each GPU."""
    values = {"config": {"map": {"default": SHARING}, "default": "default"}}
    cluster.kubectl("label", "node", NODE, "nvidia.com/gpu.present=true")
    cluster.helm("install", "nvdp", upstream.chart, "-n", NVIDIA_NAMESPACE, "--create-namespace", "-f", "-",
                 input=json.dumps(values))
    cluster.wait_for("NVIDIA's plugin serves 16 shares", lambda: cluster.allocatable(NODE) == 16, SECONDS)


def installed_alone(sight):
    sight.install("--set", "devicePlugin.enabled=false")
    names = {found["metadata"]["name"] for found in sight.c.get("daemonsets", "-A")["items"]}
    expect(DAEMONSET in names and "tranche-plugin" not in names, f"daemonsets: {names}")
    sight.until("it knows pods and grants", lambda: (sight.one("tranche_node_pods_known"),
                                                     sight.one("tranche_node_grants_known")) == (1, 1))
    through = sight.c.kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/"
                              f"{sight.pod()['metadata']['name']}:9436/proxy/status").stdout
    expect(json.loads(through)["kind"] == "NodeStatus", through)


def plugins_change(sight):
    """NVIDIA's plugin goes, ours comes: tranche-node and what it has counted stay."""
    before, seconds = sight.pod()["metadata"]["uid"], sight.figures("tranche_pod_gpu_seconds_total")
    sight.c.helm("uninstall", "nvdp", "-n", NVIDIA_NAMESPACE, "--wait")
    sight.helm("upgrade", "--set", "devicePlugin.enabled=true", *scraped.VALUES)
    sight.plugin_serves()
    expect(sight.pod()["metadata"]["uid"] == before, "tranche-node was replaced")
    after = sight.figures("tranche_pod_gpu_seconds_total")
    expect(sum(after.values()) >= sum(seconds.values()), f"it counted {seconds}, and {after} now")


def page_is_its_own(sight):
    """It is served on the loopback of the pod, where `kubectl port-forward` comes from, and nowhere else."""
    ask = ("exec 3<>/dev/tcp/127.0.0.1/9437; printf 'GET / HTTP/1.1\\r\\nHost: 127.0.0.1:9437\\r\\n\\r\\n' >&3; "
           "read -r line <&3; echo $line")
    expect("200 OK" in sight.exec("bash", "-c", ask).stdout, "no page in the pod")
    address = sight.pod()["status"]["podIP"]
    said = sight.node.run("bash", "-c", f"(: >/dev/tcp/{address}/9437) 2>&1", check=False).stdout
    expect("refused" in said, f"from outside: {said}")


class Forwarded:
    """A command of docs/sight.md that forwards a port of the program, on a port of this machine that is free."""

    def __init__(self, sight, what):
        page = (bed.ROOT / "docs/sight.md").read_text()
        line, far = re.search(rf"^(kubectl --namespace {NAMESPACE} port-forward {what}\S*) (\d+)$", page, re.M).groups()
        self._port = network.free_port()
        line = re.sub(r"tranche-node-x+", sight.pod()["metadata"]["name"], line)
        self._process = subprocess.Popen(["bash", "-c", f"exec {line} {self._port}:{far}"], env=sight.c.environment,
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                         text=True)

    def __enter__(self):
        said = self._process.stdout.readline()
        expect("Forwarding from 127.0.0.1" in said, said)
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.communicate(timeout=60)

    def get(self, path):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://localhost:{self._port}{path}", timeout=60) as answer:
            return answer.read().decode()


def ports_are_forwarded(sight):
    """Page and metrics, as docs/sight.md says that a user gets them."""
    with Forwarded(sight, "pod/") as page:
        expect("<title>" in page.get("/"), "that is no page")
        status = json.loads(page.get("/api/v1/node"))
        expect((status["kind"], status["nodeName"]) == ("NodeStatus", NODE), f"{status}")
    with Forwarded(sight, "daemonset/") as metrics:
        expect("tranche_node_ready 1" in metrics.get("/metrics"), "no metrics")


# ---- who is who ----

def names_are_right(sight):
    """Of every program of the load, and whether the kubelet has given it the GPU that it uses."""
    metrics = sight.metrics()
    found = {(name, where) for (space, name, where, _), value in
             sight.figures("tranche_pod_gpu_processes", metrics).items() if value and space == "default"}
    wanted = set(Load.USES) - {("cars", "first")}  # it has ended
    expect(found == wanted, f"processes of {sorted(found)}, and they are of {sorted(wanted)}")
    outside = {labels["of"]: 0 for labels, _ in metrics["tranche_gpu_processes_outside_pods"]}
    for labels, value in metrics["tranche_gpu_processes_outside_pods"]:
        outside[labels["of"]] += value
    expect(outside == {"host": 1, "unknown": 0}, f"outside of pods: {outside}")


def the_thief_is_named(sight):
    """A pod that sees GPUs which the kubelet has not given it: in a metric, and in an Event on the node."""
    sight.until("only the thief is said to use what it was not given", lambda: {
        name for (_, name, _, _), given in sight.figures("tranche_pod_gpu_granted").items() if not given} == {"thief"})
    sight.until("an Event says so", lambda: sight.events("thief") == 1)
    others = [event["message"] for event in sight.c.events() if event["reason"] == "GpuNotGiven" and
              "default/thief " not in event["message"]]
    expect(not others, f"Events about others: {others}")


def deleted_pods_go(sight, load):
    load.clear()
    sight.until("their series are gone", lambda: not any(
        space == "default" for space, _, _, _ in sight.figures("tranche_pod_gpu_seconds_total")))
    sight.until("and nothing is used", lambda: sum(sight.figures("tranche_pod_gpu_memory_used_bytes").values()) == 0)


def restarted_container(sight):
    """The series of a pod go on when its container is started again, and it has no other ones."""
    line = "tranche-workload steady --memory 1Gi --for 3s; exit 1"
    sight.c.apply(pod("again", container("main", line), nodeName=NODE, restartPolicy="Always"))

    def runs(count):
        statuses = sight.c.pod("default", "again")["status"].get("containerStatuses")
        return statuses and statuses[0]["restartCount"] == count and "running" in statuses[0]["state"]
    seconds = 0
    for count in range(2):
        sight.c.wait_for(f"run {count + 1}", lambda count=count: runs(count), SECONDS)
        sight.until("it computes", lambda before=seconds: sight.of_pod("tranche_pod_gpu_seconds_total", "again").get(
            "main", 0) > before + 1)
        seconds = sight.of_pod("tranche_pod_gpu_seconds_total", "again")["main"]
    shown = sight.of_pod("tranche_pod_gpu_seconds_total", "again")
    expect(set(shown) == {"main"}, f"the containers that are shown: {shown}")
    sight.c.delete_pod("again")


# ---- privileges ----

def privileges(sight):
    """No capability, a read-only root; and what the process namespace of the host lets it see, and what not."""
    spec = sight.pod()["spec"]
    expect(spec.get("hostPID") and not spec.get("hostNetwork") and not spec.get("hostIPC"), f"the pod: {spec}")
    status = dict(re.findall(r"^(\w+):\s+(\S+)", sight.exec("cat", "/proc/self/status").stdout, re.M))
    for kind in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"):
        expect(int(status[kind], 16) == 0, f"{kind}: {status[kind]}")
    expect((status["Seccomp"], status["NoNewPrivs"]) == ("2", "1"), f"Seccomp, NoNewPrivs: {status}")
    refused = sight.exec("bash", "-c", "(: >/file) 2>&1; (: >/usr/bin/file) 2>&1", check=False).stdout
    expect(refused.count("Read-only file system") == 2, f"the root can be written: {refused}")
    # A daemon of the host, which has capabilities.
    pid = sight.node.run("pidof", "kubelet").stdout.split()[0]
    expect(sight.exec("cat", f"/proc/{pid}/comm").stdout == "kubelet\n", f"{pid} is not the kubelet")
    for path in ("environ", "root/etc/hostname", "maps", "fd/0", "mem"):
        said = sight.exec("cat", f"/proc/{pid}/{path}", check=False)
        expect(said.returncode != 0 and "Permission denied" in said.stderr, f"{path}: {said.stdout}{said.stderr}")
    # Both are judged by the user alone: what docs/security.md says of processes of root is so.
    expect(sight.exec("bash", "-c", f"kill -0 {pid}", check=False).returncode == 0, "root may not send root signals")
    sight.c.apply(pod("bare", container("main", "sleep 4321", gpu=False, env=[{"name": "SECRET", "value": "x"}],
                                        securityContext={"capabilities": {"drop": ["ALL"]}}), nodeName=NODE))
    sight.c.wait_pod("bare")
    bare = sight.node.run("pgrep", "-f", "^sleep 4321").stdout.split()[0]
    read = sight.exec("grep", "--text", "-o", "SECRET=x", f"/proc/{bare}/environ", check=False)
    expect(read.stdout.strip() == "SECRET=x", f"of a process of root without a capability: {read}")
    sight.c.delete_pod("bare")


def without_host_pid(sight):
    """Why it is in the host's process namespace: from its own it can tell of no process whose it is."""
    sight.start_holder()
    place = {"spec": {"template": {"spec": {"hostPID": False}}}}
    sight.c.kubectl("-n", NAMESPACE, "patch", "daemonset", DAEMONSET, "-p", json.dumps(place))
    sight.rolled()
    sight.until("all processes are unknown", lambda: {
        labels["of"] for labels, value in sight.metrics().get("tranche_gpu_processes_outside_pods", []) if value} ==
        {"unknown"})
    expect(not sight.is_shown("holder"), "the holder is known")
    place["spec"]["template"]["spec"]["hostPID"] = True
    sight.c.kubectl("-n", NAMESPACE, "patch", "daemonset", DAEMONSET, "-p", json.dumps(place))
    sight.rolled()
    sight.holder_is_shown()


def cases(run):
    archive, upstream = bed.product_image(), nvidia.Plugin()
    with bed.scratch() as folder, bed.Cluster(names=(NODE,), default_runtime="nvidia") as cluster:
        folder = pathlib.Path(folder)
        for image in (archive, usage.workload_image(folder), upstream.make_image(folder)):
            cluster.import_image(image)
        cluster.nodes[NODE].bind_driver()
        cluster.apply(scraped.types())
        sight = Sighted(cluster)
        load = Load(sight)
        run("NVIDIA's plugin serves the GPUs", nvidia_serves, cluster, upstream)
        if not run("tranche-node is installed beside it, and nothing else of ours", installed_alone, sight):
            return
        run("its page is for the pod's own address", page_is_its_own, sight)
        run("its ports are forwarded to a user, as the documents say", ports_are_forwarded, sight)
        if not run("programs use the GPUs from everywhere", load.start):
            return
        run("memory is the driver's, to the byte", load.judge_memory)
        run("each has its pod's and container's name", names_are_right, sight)
        run("a pod that uses what it was not given is named", the_thief_is_named, sight)
        run("they end", load.stop)
        run("seconds are the driver's", load.judge_seconds)
        run("our plugin takes the place of NVIDIA's", plugins_change, sight)
        run("series end with their pods", deleted_pods_go, sight, load)
        run("and go on with a container that is started again", restarted_container, sight)
        with scraped.Scraped(sight, folder) as watched:
            if run("Prometheus finds both programs by the chart's PodMonitors", scraped.both_programs_are_found, watched):
                run("and keeps the names of the pods that use GPUs", scraped.names_of_pods_are_kept, watched)
                run("an alert fires, and ends with its reason", scraped.an_alert_fires_and_ends, watched)
        run("no capability is needed, and what it cannot see", privileges, sight)
        run("without the host's process namespace nobody is known", without_host_pid, sight)
