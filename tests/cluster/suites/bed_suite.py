"""Is the bed itself real: nodes, pods, the way to the API server, NVIDIA's toolkit, and a clean end."""

import pathlib
import signal
import subprocess
import sys
import time

import bed
from bed import expect, images, records
from bed.node import gpu_uuid

HERE = bed.ROOT / "tests/cluster"


def nodes_are_real(c):
    found = {item["metadata"]["name"]: item for item in c.get("nodes")["items"]}
    expect(set(found) == set(bed.NODES), f"nodes: {sorted(found)}")
    for name, item in found.items():
        info = item["status"]["nodeInfo"]
        expect(c.is_ready(name), f"{name} is not Ready")
        expect(info["kubeletVersion"].startswith("v1.37"), f"{name}: {info['kubeletVersion']}")
        expect(info["containerRuntimeVersion"].startswith("containerd://"), info["containerRuntimeVersion"])
        labels = [label for label in item["metadata"]["labels"] if "nvidia.com" in label or "nfd" in label]
        expect(not labels, f"{name} has labels of ours or NFD's: {labels}")
    machines = {item["status"]["nodeInfo"]["machineID"] for item in found.values()}
    expect(len(machines) == len(found), "two nodes are of one machine id")


def pods_run(c):
    for name in bed.NODES:
        c.run_pod(f"plain-{name}", node=name, command=["sh", "-c", "echo hello from $HOSTNAME; sleep infinity"])
        expect(f"hello from plain-{name}" in c.logs(f"plain-{name}"), f"logs on {name}")
        done = c.exec(f"plain-{name}", "cat", "/etc/hostname")
        expect(done.stdout.strip() == f"plain-{name}", f"exec on {name}: {done.stdout}")
        devices = c.exec(f"plain-{name}", "ls", "/dev").stdout
        expect("nvidia" not in devices, f"a pod without GPU sees devices: {devices}")


def pods_reach_each_other(c):
    """From node to node, by pod address."""
    c.run_pod("server", node="gpu-node", command=["busybox", "nc", "-ll", "-p", "7000", "-e", "echo", "heard"])
    address = c.pod("default", "server")["status"]["podIP"]
    line = f"echo | timeout 5 busybox nc {address} 7000"
    c.wait_for("an answer from the pod on the other node",
               lambda: "heard" in c.exec("plain-dev-gpu-node", "sh", "-c", line, check=False).stdout, 15)


def pods_reach_the_api(c):
    """As client libraries do in a cluster: address from the environment, the account's token and authority."""
    script = ("printf 'GET /api HTTP/1.0\\r\\nAuthorization: Bearer %s\\r\\n\\r\\n' "
              "\"$(cat /var/run/secrets/kubernetes.io/serviceaccount/token)\" | "
              "openssl s_client -quiet -connect $KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT "
              "-CAfile /var/run/secrets/kubernetes.io/serviceaccount/ca.crt -verify_return_error "
              "-verify_ip $KUBERNETES_SERVICE_HOST 2>&1")
    c.run_pod("client", node="train-gpu-node", image=CLIENT)
    done = c.exec("client", "sh", "-c", script, check=False)
    expect("200 OK" in done.stdout and "APIVersions" in done.stdout, f"{done.stdout}\n{done.stderr}")


CLIENT = "docker.io/tranche-test/client:1"


def gpus_seen(c, pod):
    return [line.split("UUID: ")[1].rstrip(")") for line in c.exec(pod, "nvidia-smi", "-L").stdout.splitlines()]


def toolkit_brings_the_driver(c, image, name):
    c.run_pod(name, image=image, node="gpu-node", runtime="nvidia", env={"NVIDIA_VISIBLE_DEVICES": "1"})
    seen = gpus_seen(c, name)
    expect(seen == [gpu_uuid("gpu-node", 1)], f"nvidia-smi in the pod: {seen}")
    devices = c.exec(name, "ls", "/dev").stdout.split()
    expect("nvidia1" in devices and "nvidia0" not in devices, f"/dev: {devices}")
    libraries = c.exec(name, "ldconfig", "-p").stdout
    expect("libnvidia-ml.so.1" in libraries and "libcuda.so.1" in libraries, f"ldconfig -p: {libraries}")


def runtime_class_decides(c):
    """Without the class the image's own NVIDIA_VISIBLE_DEVICES=all brings nothing in."""
    c.run_pod("without", node="gpu-node")
    done = c.exec("without", "sh", "-c", "ls /dev | grep nvidia; ls /usr/lib/x86_64-linux-gnu | grep nvidia",
                  check=False)
    expect(done.stdout == "", f"in a pod of runc's: {done.stdout}")


def state_reaches_pods(c):
    """What is done to the simulated GPUs shows in a pod that runs already."""
    c.nodes["gpu-node"].sim("set", "1", "--temperature", "77")
    done = c.exec("layout-ubuntu", "nvidia-smi", "--query-gpu=temperature.gpu", "--format=csv,noheader")
    expect(done.stdout.strip() == "77", f"temperature in the pod: {done.stdout}")


def driver_in_a_container(c):
    """Its root is elsewhere on the node, and every pod goes through NVIDIA's runtime."""
    c.run_pod("all")
    expect(gpus_seen(c, "all") == [gpu_uuid("gpu-node", 0)], "nvidia-smi in the pod")
    expect(c.nodes["gpu-node"].run("nvidia-smi", check=False).returncode == 127, "the node has a driver of its own")


def kubelet_restarts(c):
    def started():
        done = c.exec("plain-gpu-node", "cat", "/proc/1/stat", check=False)
        return done.stdout.split()[21] if done.returncode == 0 else None
    before = started()
    c.nodes["gpu-node"].restart_kubelet()
    after = c.wait_for("the kubelet knows its pods again", started, 30)
    expect(after == before, "the pod's process is another one")


def node_reboots(c):
    c.run_pod("survivor", node="dev-gpu-node", restartPolicy="Always")
    c.nodes["dev-gpu-node"].reboot()
    def restarted():
        status = c.pod("default", "survivor")["status"].get("containerStatuses", [{}])[0]
        return status.get("restartCount") == 1 and "running" in status.get("state", {})
    c.wait_for("the pod's container runs again", restarted, 60)


def api_server_returns(c):
    c.stop_apiserver()
    expect(c.kubectl("get", "nodes", check=False, seconds=30).returncode != 0, "it answers although stopped")
    c.start_apiserver()
    c.kubectl("get", "nodes")


def leaves_nothing(c):
    cgroup, folder, pids = c.record.folder.name, c.record.folder, [p["pid"] for p in c.record.data["processes"]]
    c.close(always=True)
    expect(not folder.exists(), f"{folder} is left")
    left = [str(root / cgroup) for root in records.cgroup_roots() if (root / cgroup).exists()]
    expect(not left, f"cgroups are left: {left}")
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    expect("tranche-cluster" not in mounts, "mounts are left in this namespace")
    running = [pid for pid in pids if records.start_time(pid) is not None]
    expect(not running, f"processes are left: {running}")
    shims = [path for path in pathlib.Path("/proc").glob("[0-9]*/cgroup") if text_of(path).find(f"/{cgroup}/") >= 0]
    expect(not shims, f"processes in its cgroups: {shims}")


def text_of(path):
    try:
        return path.read_text()
    except OSError:
        return ""


def cleans_up_after_a_killed_one():
    """A cluster whose maker got SIGKILL is taken down by the next that starts (here: by run.py --down)."""
    script = ("import sys; sys.path.insert(0, sys.argv[1]); import bed\n"
              "c = bed.Cluster(names=('gpu-node',), say=lambda text: None); print('up', flush=True); input()")
    maker = subprocess.Popen([sys.executable, "-B", "-c", script, str(HERE)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    line = maker.stdout.readline()
    expect(line == "up\n", f"the cluster to be killed did not come up: {line}")
    left = [record for record in records.clusters() if record.data["owner"]["pid"] == maker.pid]
    expect(len(left) == 1 and left[0].owned(), "it has no record")
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    expect(any(records.same(p) for p in left[0].data["processes"]), "nothing was left to clean up")
    start = time.monotonic()
    subprocess.run([sys.executable, "-B", HERE / "run.py", "--down"], check=True, timeout=60,
                   stdout=subprocess.DEVNULL)
    expect(time.monotonic() - start < 30, "it took long")
    expect(not left[0].folder.exists(), "its folder is left")
    expect(not any(records.same(p) for p in left[0].data["processes"]), "processes are left")


def client_image(folder):
    """openssl and a shell: a client that speaks TLS."""
    tree = folder / "client"
    images.glibc_tree(tree, "usr/lib/x86_64-linux-gnu", [*images.PROGRAMS, "/usr/bin/openssl"])
    return images.write_image(folder / "client.tar", CLIENT, tree, {"Env": ["PATH=/usr/bin:/usr/sbin"]})


def cases(run):
    with bed.Cluster() as c, bed.scratch() as folder:
        c.import_image(client_image(pathlib.Path(folder)), ["train-gpu-node"])
        run("three nodes of their own are Ready", nodes_are_real, c)
        run("pods run on each, with logs and exec", pods_run, c)
        run("pods reach pods of other nodes", pods_reach_each_other, c)
        run("pods reach the API server with their account", pods_reach_the_api, c)
        run("NVIDIA's toolkit brings the driver into a pod", toolkit_brings_the_driver, c, images.CUDA,
            "layout-ubuntu")
        run("and into one with Red Hat's layout and a compat folder", toolkit_brings_the_driver, c,
            images.CUDA_LIB64, "layout-redhat")
        run("only where the runtime class says so", runtime_class_decides, c)
        run("the simulated GPUs' state reaches running pods", state_reaches_pods, c)
        run("a kubelet restarts under running pods", kubelet_restarts, c)
        run("a node reboots, and its pods come back", node_reboots, c)
        run("the API server goes away and comes back", api_server_returns, c)
        if not c.keep_when_closed:
            run("taken down it leaves nothing", leaves_nothing, c)
    with bed.Cluster(names=("gpu-node",), gpus={"gpu-node": 1}, driver_root="/run/nvidia/driver",
                     default_runtime="nvidia") as c:
        run("a driver in a container, and NVIDIA's runtime for every pod", driver_in_a_container, c)
    if not bed.Cluster.keep_when_closed:
        run("the next start cleans up after a killed one", cleans_up_after_a_killed_one)
