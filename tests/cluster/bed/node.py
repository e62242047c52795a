"""One node: containerd and a kubelet over a simulated driver, in namespaces of their own (see init.py)."""

import json
import os
import signal
import uuid

from bed import images, network, records
from bed.program import Fault, Namespaces, Program

PATH = "/opt/bed/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CONTAINERD = "/run/containerd/containerd.sock"
DRIVER = "/opt/bed/driver"  # its root, wherever else that is seen
SOCKETS = "run/nvidia-persistenced"
KUBELET_SOCKET = "/var/lib/kubelet/device-plugins/kubelet.sock"


def gpu_uuid(node, index):
    """The same at every start, and no other GPU's."""
    return f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{index}.{node}.tranche-cluster')}"


def gpu_profile(node, gpus, model="a100-sxm4-80gb", driver=("570.172.08", "12.8")):
    """A profile for `tranche sim node create`: GPUs are seen where their device nodes are, as with a real driver."""
    version, cuda = driver
    lines = [f'driver: {{version: {version}, cuda: "{cuda}"}}', f"machine: Simulated-{gpus}-GPUs",
             "visibility: device-nodes", "gpus:" if gpus else "gpus: []"]
    lines += [f'- {{model: {model}, uuid: {gpu_uuid(node, index)}, bus: "0000:{7 + 8 * index:02x}:00.0", numa: 0}}'
              for index in range(gpus)]
    return "\n".join(lines) + "\n"


def containerd_config(default_runtime):
    def runtime(name, binary):
        return f"""
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.{name}]
        runtime_type = 'io.containerd.runc.v2'
        [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.{name}.options]
          BinaryName = '/opt/bed/bin/{binary}'
"""
    return f"""version = 3
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '{images.PAUSE}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true  # without CAP_SYS_RESOURCE runc may not lower it
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['/opt/bed/cni']
    conf_dir = '/etc/cni/net.d'
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = '{default_runtime}'
{runtime('runc', 'runc')}{runtime('nvidia', 'nvidia-container-runtime')}"""


def toolkit_config(driver_root):
    """Of NVIDIA's container runtime: CDI mode, the devices worked out when a container is made."""
    return f"""accept-nvidia-visible-devices-envvar-when-unprivileged = true
accept-nvidia-visible-devices-as-volume-mounts = true
[nvidia-container-cli]
root = "{driver_root}"
[nvidia-container-runtime]
log-level = "info"
mode = "jit-cdi"
runtimes = ["/opt/bed/bin/runc"]
[nvidia-container-runtime.modes.cdi]
default-kind = "nvidia.com/gpu"
spec-dirs = ["/etc/cdi", "/var/run/cdi"]
[nvidia-ctk]
path = "/usr/bin/nvidia-cdi-hook"
"""


def kubelet_config(cgroup):
    return json.dumps({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                           "x509": {"clientCAFile": "/etc/bed/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": "/etc/bed/node.crt", "tlsPrivateKeyFile": "/etc/bed/node.key",
        "containerRuntimeEndpoint": "unix://" + CONTAINERD,
        "cgroupDriver": "cgroupfs", "cgroupRoot": cgroup, "failCgroupV1": False,
        "staticPodPath": "/etc/kubernetes/manifests",  # pods without an API server
        "enforceNodeAllocatable": [], "failSwapOn": False, "readOnlyPort": 0,
        "resolvConf": "/etc/resolv.conf", "clusterDomain": "cluster.local",
        "clusterDNS": [network.DNS],
        "evictionHard": {name: "0%" for name in (
            "memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available")},
        "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99}, indent=1)


class Node:
    def __init__(self, plane, record, programs, number, name, profile, driver_root, default_runtime, toolkit, sim):
        self.name = name
        self.number = number
        self.address = network.node_address(number)
        self.folder = record.folder / "nodes" / name
        self.folder.mkdir(parents=True)
        self.driver_root = driver_root
        self._cgroup = f"/{record.folder.name}/{name}"
        profile_file = self.folder / "gpus.yaml"
        profile_file.write_text(profile)
        records.make_cgroups(self._cgroup)
        self.namespaces = Namespaces(record, name, {
            "hostname": name, "root": str(self.folder / "root"), "driver_root": driver_root,
            "tranche": str(sim / "tranche"), "profile": str(profile_file), "boot_id": str(uuid.uuid4()),
            "binds": self._binds(programs, sim), "links": self._links(programs, toolkit),
            "files": self._files(plane, default_runtime),
            "empty": ["/etc/cni", "/etc/cdi", "/etc/kubernetes", "/etc/containerd", "/var/lib/cni", "/var/lib/tranche"]})
        environment = {"PATH": PATH}
        self.driver = Program(self.namespaces, f"driver of {name}", [
            "/opt/bed/tranche/tranche", "sim", "driver", "--root", DRIVER], self.folder / "driver.log")
        self.containerd = Program(self.namespaces, f"containerd of {name}", [
            "/opt/bed/containerd/containerd", "--config", "/etc/containerd/config.toml"],
            self.folder / "containerd.log", environment)
        self.kubelet = Program(self.namespaces, f"kubelet of {name}", [
            "/opt/bed/kubernetes/kubelet", "--config", "/etc/bed/kubelet.json", "--kubeconfig",
            "/etc/bed/kubeconfig", "--hostname-override", name, "--node-ip", self.address],
            self.folder / "kubelet.log", environment)

    def _binds(self, programs, sim):
        binds = {f"/opt/bed/{part}": str(folder) for part, folder in programs.items()}
        binds["/opt/bed/tranche"] = str(sim)
        return binds

    def _links(self, programs, toolkit):
        links = {}
        for part in ("containerd", "runc", toolkit, "kubernetes"):
            for program in os.listdir(programs[part]):
                if program not in ("lock", "complete"):
                    links[f"/opt/bed/bin/{program}"] = f"/opt/bed/{part}/{program}"
        # Where the toolkit's packages put them, and CDI specs name them.
        for program in ("nvidia-cdi-hook", "nvidia-ctk", "nvidia-container-runtime"):
            links[f"/usr/bin/{program}"] = f"/opt/bed/{toolkit}/{program}"
        return links

    def _files(self, plane, default_runtime):
        authority = plane.authority
        authority.sign(self.name, f"system:node:{self.name}", "system:nodes",
                       [f"DNS:{self.name}", f"IP:{self.address}"])
        kubeconfig = authority.kubeconfig(self.folder / "kubeconfig",
                                          f"https://{network.SERVICE}:{network.PORT}", self.name)
        return {"/etc/hostname": self.name + "\n", "/etc/machine-id": uuid.uuid4().hex + "\n",
                "/etc/hosts": f"127.0.0.1 localhost\n{self.address} {self.name}\n", "/etc/resolv.conf": "",
                "/etc/containerd/config.toml": containerd_config(default_runtime),
                "/etc/nvidia-container-runtime/config.toml": toolkit_config(self.driver_root),
                "/etc/cni/net.d/10-bed.conflist": network.cni_config(self.number),
                "/etc/bed/kubelet.json": kubelet_config(self._cgroup),
                "/etc/bed/kubeconfig": kubeconfig.read_text(), "/etc/bed/ca.crt": authority.certificate.read_text(),
                "/etc/bed/node.crt": plane.pki(self.name + ".crt").read_text(),
                "/etc/bed/node.key": plane.pki(self.name + ".key").read_text()}

    def start(self, plane):
        self.namespaces.wait_ready()
        network.connect(plane.namespaces, self.namespaces, self.number)
        self.start_driver()
        self.start_containerd()

    def start_driver(self):
        """Serves the simulated GPUs, so that programs can use CUDA: what loading the kernel module is."""
        if self.driver_root == "/":
            # Is there already, but after a reboot.
            self.run("sh", "-c", f"mkdir -p /{SOCKETS} && {{ mountpoint -q /{SOCKETS} || "
                                 f"mount --bind {DRIVER}/{SOCKETS} /{SOCKETS}; }}")
        self.driver.start()
        self.driver.wait_for("programs can connect",
                             lambda: self.run("test", "-S", f"{DRIVER}/{SOCKETS}/socket", check=False).returncode == 0,
                             30)

    def bind_driver(self):
        """For pods with a user namespace of their own, whose runtime maps users in the mounts that it makes of the driver's
        files: on the node's root, which is an overlay, the kernel refuses that, on the file systems of real nodes not."""
        self.run("sh", "-ec", f"cd {DRIVER}; find usr -type f | while read -r file; do mount --bind $file /$file; done")

    def usage(self):
        """What each program used of the GPUs so far, as the driver counts."""
        return json.loads(self.run("/opt/bed/tranche/tranche", "sim", "driver-status", "--root", DRIVER,
                                   "-o", "json").stdout)

    def start_containerd(self):
        self.containerd.start()
        self.containerd.wait_for("containerd answers", lambda: self.run("ctr", "version", check=False).returncode == 0,
                                 30)

    def start_kubelet(self, seconds=30):
        """Until it serves device plugins; Ready is what the API server says later."""
        self.kubelet.start()
        self.kubelet.wait_for("the kubelet serves device plugins",
                              lambda: self.run("test", "-S", KUBELET_SOCKET, check=False).returncode == 0, seconds)

    def stop_kubelet(self):
        self.kubelet.stop()

    def restart_kubelet(self, number=signal.SIGTERM):
        self.kubelet.stop(number)
        self.run("rm", "-f", KUBELET_SOCKET)
        self.start_kubelet()

    def run(self, *command, seconds=60, check=True, **more):
        """A command on the node; its output as text."""
        return self.namespaces.run("env", f"PATH={PATH}", *command, seconds=seconds, check=check, **more)

    def sim(self, *arguments, check=True):
        """`tranche sim …` on this node's GPUs."""
        arguments = [str(argument) for argument in arguments]
        return self.run("/opt/bed/tranche/tranche", "sim", *arguments, "--root", DRIVER, check=check).stdout

    def ctr(self, *arguments, check=True, **more):
        return self.run("ctr", "--address", CONTAINERD, "--namespace", "k8s.io", *arguments, check=check, **more)

    def import_image(self, archive):
        with open(archive, "rb") as stream:
            self.ctr("images", "import", "--local", "--digests=false", "-", stdin=stream, seconds=120)

    def reboot(self):
        """All processes of the node end at once, /run is empty, the boot id is new; then it comes up again."""
        self.kubelet.stop(signal.SIGKILL)
        self.containerd.stop(signal.SIGKILL)
        self.driver.stop(signal.SIGKILL)
        # In a process namespace that is everything but its first process and the one that says so.
        self.run("sh", "-c", "kill -KILL -1", check=False)
        script = ("awk '$5 ~ \"^/run/\" {print $5}' /proc/self/mountinfo | sort -r | xargs -r -n1 umount -l; "
                  "awk '$5 ~ \"^/var/lib/kubelet/pods/\" {print $5}' /proc/self/mountinfo | sort -r | "
                  "xargs -r -n1 umount -l; rm -rf /run/*; ip link del cni0 2>/dev/null; "
                  f"echo {uuid.uuid4()} >/proc/sys/kernel/random/boot_id")
        self.run("sh", "-c", script)
        for fault in records.remove_cgroups(self._cgroup):
            raise Fault(fault)
        records.make_cgroups(self._cgroup)
        self.start_driver()
        self.start_containerd()
        self.start_kubelet()
