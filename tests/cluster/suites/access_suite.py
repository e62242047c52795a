"""Least privilege: what the agent may do, at the API server and on its node, is what it does and no more.

The chart is installed in each way that gives other rights, what it offers is used, and the API server's audit
log says what the account asked for: nothing that was refused, and everything that it was granted.
"""

import json
import re

import bed
from bed import Fault, expect
from bed.api import Api
from bed.rights import Audit, granted, never_used, not_granted, shown, user_name
from suites import access_kubectl, access_policy

CHART = bed.ROOT / "deploy/chart/tranche"
CRD = bed.ROOT / "deploy/manifests/clusterpolicy-crd.yaml"
NODES = ("gpu-node", "dev-gpu-node")
LABEL = "nvidia.com/device-plugin.config"
PROFILES = "device-plugin-config"
SECONDS = 90


def sharing(replicas, more=""):
    return (f"version: v1\n{more}sharing:\n  timeSlicing:\n    resources:\n"
            f"    - {{name: nvidia.com/gpu, replicas: {replicas}}}\n")


class Way:
    """One way to install: its values, in a namespace of its own, so that its account is its own too."""

    def __init__(self, cluster, name, config="", labels="none", events=True, program="plugin", **values):
        self.cluster, self.name, self.namespace, self.labels, self.events = cluster, name, name, labels, events
        self.config, self.account = config, f"tranche-{program}"
        self._app = {"plugin": "nvidia-device-plugin-daemonset", "gfd": "gpu-feature-discovery"}[program]
        self.values = {"labels": labels, "events": str(events).lower(), **values}
        if config in ("config", "devicePlugin.config"):
            self.values |= {f"{config}.name": PROFILES, f"{config}.default": "default"}
        self.user = user_name(self.namespace, self.account)
        self.audit = None

    def install(self):
        cluster = self.cluster
        self.audit = Audit(cluster, self.user)
        cluster.kubectl("create", "namespace", self.namespace)
        if self.config:
            self.profiles(default=sharing(4), dev=sharing(8))
        if self.config == "clusterPolicy.enabled":
            self.values[self.config] = "true"
            self.patch_policy({"name": PROFILES, "default": "default"})
        self.helm("install")

    def helm(self, verb, *more):
        settings = [part for key, value in self.values.items() for part in ("--set", f"{key}={value}")]
        self.cluster.helm(verb, "tranche", CHART, "-n", self.namespace, *settings, *more, seconds=120)
        self.rolled_out()

    def rolled_out(self):
        self.cluster.kubectl("-n", self.namespace, "rollout", "status", f"daemonset/{self.account}",
                             "--timeout=120s", seconds=130)

    def uninstall(self):
        self.cluster.helm("uninstall", "tranche", "-n", self.namespace, "--wait", seconds=120)
        self.cluster.kubectl("delete", "namespace", self.namespace, "--wait=true", "--timeout=100s", seconds=120)

    def profiles(self, **texts):
        self.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "data": texts,
                                       "metadata": {"name": PROFILES, "namespace": self.namespace}}))

    def patch_policy(self, config):
        self.cluster.apply(json.dumps({"apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy",
                                       "metadata": {"name": "cluster-policy"},
                                       "spec": {"devicePlugin": {"config": config}}}))

    def pods(self, node):
        pods = self.cluster.get("pods", "-n", self.namespace, "-l", f"app={self._app}")["items"]
        return [pod for pod in pods if pod["spec"].get("nodeName") == node]

    def pod(self, node=NODES[0]):
        """The agent's pod on a node; None where there is none, or it is about to end."""
        return next((pod for pod in self.pods(node) if "deletionTimestamp" not in pod["metadata"]), None)

    def exec(self, *command, check=True, node=NODES[0]):
        pod = self.pod(node)["metadata"]["name"]
        return self.cluster.exec(pod, *command, namespace=self.namespace, check=check).stdout

    def status(self):
        """What the agent on the first node says; empty while it does not."""
        pod = self.pod()
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name'] if pod else ''}:9435/proxy/status"
        done = self.cluster.kubectl("get", "--raw", path, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def serves(self, count, resource="nvidia.com/gpu"):
        last = {}

        def seen():
            last.update(self.status())
            return {item["name"]: item["healthy"] for item in last.get("resources", [])}.get(resource) == count
        try:
            self.cluster.wait_for(f"{self.name}: the agent serves {count} of {resource}", seen, SECONDS, 0.2)
        except Fault as fault:
            raise Fault(f"{fault}\n{json.dumps(last)}") from None

    def label(self, profile):
        self.cluster.kubectl("label", "--overwrite", "node", NODES[0],
                             f"{LABEL}={profile}" if profile else f"{LABEL}-")

    def uses(self, verb, resource):
        def seen():
            return any(right.verb == verb and right.resource == resource for right in self.audit.used())
        self.cluster.wait_for(f"{self.name}: {verb} {resource} in the audit log", seen, SECONDS, 0.3)


def use_profiles(way):
    """A label, an edit, a profile that is missing twice (a new Event, then one more of the same)."""
    way.serves(8)
    way.label("dev")
    way.serves(16)
    way.profiles(default=sharing(4), dev=sharing(3))
    way.serves(6)
    for _ in range(2):
        way.label("missing")
        way.cluster.wait_for("the agent says that the profile is missing",
                             lambda: "missing" in way.status().get("config", {}).get("error", ""), SECONDS, 0.2)
        way.label("dev")
        way.cluster.wait_for("and that all is well again",
                             lambda: not way.status().get("config", {}).get("error", "missing"), SECONDS, 0.2)
    way.label("")
    way.serves(8)


def use_gpus(way, replicas):
    """One is pulled and another plugged in; one falls off the bus, twice where that is told: an Event, its repeat."""
    sim = way.cluster.nodes[NODES[0]].sim
    way.serves(2 * replicas)
    sim("unplug", "1")
    way.serves(replicas)
    sim("plug", "a100-sxm4-80gb")
    way.serves(2 * replicas)
    for _ in range(2 if way.events else 1):
        sim("lose", "0")
        way.cluster.wait_for(f"{way.name}: GPU 0 is lost", lambda: any(
            gpu["index"] == "0" and gpu["lost"] for gpu in way.status().get("gpus", [])), SECONDS, 0.2)
        sim("return", "0")
        way.serves(2 * replicas)


def use_and_compare(way):
    """Nothing is refused, nothing is asked that the chart did not grant, nothing granted that is not asked."""
    way.install()
    if way.config:
        use_profiles(way)
    if way.labels != "none" or not way.config:
        use_gpus(way, 4 if way.config else 1)
    if way.events:
        way.uses("patch", "events")  # a repeat is told within ten seconds
    way.cluster.kubectl("-n", way.namespace, "delete", "pod", way.pod()["metadata"]["name"])
    way.rolled_out()
    way.serves(8 if way.config else 2)
    if way.labels == "node-feature":
        way.uses("update", "nodefeatures")
    compare(way)


def discover_and_compare(way):
    """The same for gpu-feature-discovery without the plugin."""
    def becomes(key, value):
        def seen():
            found = way.cluster.get("nodefeature", "-n", way.namespace, f"nvidia-features-for-{NODES[0]}")
            return found and found["spec"]["labels"].get(f"nvidia.com/gpu.{key}") == value
        way.cluster.wait_for(f"{way.name}: {key} is {value}", seen, 2 * SECONDS, 0.3)
    way.install()
    becomes("replicas", "4")
    way.label("dev")
    becomes("replicas", "8")
    way.label("")
    becomes("replicas", "4")
    way.cluster.kubectl("-n", way.namespace, "delete", "pod", way.pod()["metadata"]["name"])
    way.rolled_out()
    compare(way)


def compare(way):
    grants, uses = granted(way.cluster, way.namespace, way.account), way.audit.used()
    for right, count in sorted(uses.items()):
        if not right.resource == "events":
            print(f"      used {count:3}×  {shown(right)}")
    expect(not way.audit.refused(), f"refused: {way.audit.refused()}")
    expect(not not_granted(grants, uses), f"used, and granted elsewhere: {not_granted(grants, uses)}")
    expect(not never_used(grants, uses), f"granted, and never used: {never_used(grants, uses)}")
    print(f"      granted and used: {'; '.join(sorted(map(shown, grants))) or 'nothing'}")
    unnamed = {right.resource for right in grants if not right.name}
    known = {"nodes", "events", "nodefeatures", "pods"} | ({"configmaps"} if way.name == "policy" else set())
    expect(unnamed <= known, f"granted for every name, and not told in docs/kubernetes.md: {unnamed - known}")


def comparison_can_fail(way):
    """A right too many is named, a right taken away is seen as refused."""
    cluster = way.cluster
    cluster.kubectl("-n", way.namespace, "create", "role", "extra", "--verb=get", "--resource=secrets")
    cluster.kubectl("-n", way.namespace, "create", "rolebinding", "extra", "--role=extra",
                    f"--serviceaccount={way.namespace}:{way.account}")
    extra = never_used(granted(cluster, way.namespace, way.account), way.audit.used())
    cluster.kubectl("-n", way.namespace, "delete", "rolebinding/extra", "role/extra")
    expect(extra == [f"get secrets in {way.namespace}"], f"never used: {extra}")


FORBIDDEN = (
    ("GET", "/api/v1/pods"), ("GET", "/api/v1/secrets"), ("GET", "/api/v1/namespaces/kube-system/secrets"),
    ("GET", "/api/v1/nodes/gpu-node"), ("PUT", "/api/v1/nodes/gpu-node"), ("DELETE", "/api/v1/nodes/gpu-node"),
    ("PATCH", "/api/v1/nodes/gpu-node"), ("PATCH", "/api/v1/nodes/gpu-node/status"), ("POST", "/api/v1/nodes"),
    ("GET", "/api/v1/nodes/gpu-node/proxy/pods"), ("GET", "/api/v1/configmaps"),
    ("GET", "/api/v1/namespaces/{}/configmaps/kube-root-ca.crt"), ("GET", "/api/v1/namespaces/{}/configmaps"),
    ("PATCH", "/api/v1/namespaces/{}/configmaps/device-plugin-config"), ("GET", "/api/v1/namespaces/{}/secrets"),
    ("POST", "/api/v1/namespaces/{}/pods"), ("GET", "/api/v1/namespaces/default/events"),
    ("POST", "/api/v1/namespaces/{}/events"), ("DELETE", "/api/v1/namespaces/default/events"),
    ("POST", "/api/v1/namespaces/{}/serviceaccounts/tranche-plugin/token"),
    ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles"), ("GET", "/apis/apps/v1/daemonsets"))


def others_are_refused(way):
    """With the agent's own token; and each of these refusals is what the comparison looks for."""
    token = way.exec("cat", "/var/run/secrets/kubernetes.io/serviceaccount/token")
    api = Api(way.cluster, token)
    for method, path in FORBIDDEN:
        asked = path.format(way.namespace)
        body = None if method in ("GET", "DELETE") else {}
        code, message = api.ask(method, asked, body)
        expect(code == 403, f"{method} {asked}: {code} {message}")
    seen = way.audit.refused()
    expect(len(seen) == len(FORBIDDEN), f"{len(FORBIDDEN)} were refused, the audit log has {len(seen)}: {seen}")


def process(way):
    """What the kernel says of the agent's process."""
    return dict(re.findall(r"^(\w+):\s+(\S+)", way.exec("cat", "/proc/1/status"), re.M))


def mounts(way):
    """Mount points of the agent's pod, with whether they can be written; the kernel's own, and other file systems
    below the driver root, apart: what these are is told in docs/security.md."""
    found = {}
    for line in way.exec("cat", "/proc/1/mountinfo").splitlines():
        fields = line.split(" - ")[0].split()
        if not fields[4].startswith(("/proc", "/sys", "/dev", "/driver-root/")):
            found[fields[4]] = "rw" in fields[5].split(",")
    return found


# The node's folders, and what others give every pod: the kubelet, and NVIDIA's runtime.
WRITTEN = {"/var/lib/kubelet/device-plugins", "/run/cdi", "/run/tranche"}
READ = {"/var/lib/kubelet/pod-resources"}
KUBELETS = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}
# NVIDIA's runtime brings it into every container that sees a GPU, where the node has it.
RUNTIMES = {"/run/nvidia-persistenced/socket"}


def privileges(way, capabilities=0, more=()):
    pod = way.pod()
    context = pod["spec"]["containers"][0]["securityContext"]
    expect(not context.get("privileged"), f"privileged: {context}")
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        expect(not pod["spec"].get(key), f"{key} of the pod")
    status = process(way)
    for kind in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"):
        # Ambient ones are never given: the process starts as root.
        wanted = 0 if kind in ("CapAmb", "CapInh") else capabilities
        expect(int(status[kind], 16) == wanted, f"{kind}: {status[kind]}, wanted {wanted:x}")
    expect(status["Seccomp"] == "2", f"Seccomp: {status['Seccomp']}")
    expect(status["NoNewPrivs"] == ("0" if capabilities else "1"), f"NoNewPrivs: {status['NoNewPrivs']}")
    refused = way.exec("sh", "-c", "(: >/file) 2>&1; (: >/etc/file) 2>&1; (: >/usr/bin/file) 2>&1", check=False)
    expect(refused.count("Read-only file system") == 3, f"the root can be written: {refused}")
    found = mounts(way)
    written = {path for path, writable in found.items() if writable} - KUBELETS - RUNTIMES
    expect(written == WRITTEN | set(more), f"writable: {sorted(written)}")
    expect(READ <= {path for path, writable in found.items() if not writable}, f"mounts: {sorted(found)}")
    print(f"      CapEff {status['CapEff']}, Seccomp {status['Seccomp']}, writable: {' '.join(sorted(written))}")


def sees_no_host(way):
    """Without a CDI strategy the node's own files are not mounted, and the driver comes by NVIDIA's runtime alone."""
    expect("/driver-root" not in mounts(way), f"mounts: {sorted(mounts(way))}")
    expect("No such file" in way.exec("sh", "-c", "cd /driver-root 2>&1", check=False), "/driver-root is there")
    expect(way.status()["driver"]["ready"], "the driver is not ready")


def sees_the_host(way):
    """What docs/security.md says of a mounted driver root: read-only is its own file system, not those below."""
    expect(mounts(way)["/driver-root"] is False, "the driver root itself can be written")
    said = way.exec("sh", "-c", "(: >/driver-root/etc/x) 2>&1; (: >/driver-root/run/x) 2>&1 && echo written; "
                    "test -S /driver-root/run/containerd/containerd.sock && echo socket", check=False)
    way.cluster.nodes[NODES[0]].run("rm", "-f", "/run/x")
    expect("Read-only file system" in said and "written" in said and "socket" in said, f"it says: {said}")


def has_no_token(way):
    expect("No such file" in way.exec("sh", "-c", "cd /var/run/secrets 2>&1", check=False), "there is a token")
    expect(not way.audit.requests(), f"requests: {[shown(right) for right in way.audit.used()]}")


def serves_pods(way):
    """Not privileged it gives a pod its GPU, through NVIDIA's runtime."""
    way.cluster.run_pod("user", gpus=1, node=NODES[0])
    shown_gpus = way.cluster.exec("user", "nvidia-smi", "-L").stdout
    expect(len(re.findall("GPU-", shown_gpus)) == 1, f"GPUs in the pod: {shown_gpus}")
    way.cluster.delete_pod("user")


SYS_ADMIN = 1 << 21
PLAIN = {"migStrategy": "none", "deviceListStrategy": "envvar"}
FEATURES = "/etc/kubernetes/node-feature-discovery/features.d"


def ways_to_install(run, cluster):
    def way(name, more, *arguments, use=use_and_compare, **values):
        """Installs it, runs the cases that are special to it, and takes it away."""
        one = Way(cluster, name, *arguments, **values)
        if run(f"{name}: what is granted is what is used", use, one):
            for title, case, *rest in more:
                run(f"{name}: {title}", case, one, *rest)
        run(f"{name}: it goes without a trace of its rights", leaves_no_rights, one)

    way("config", [("no capability, and a read-only root", privileges),
                   ("the node's own files are out of its reach", sees_no_host), ("serves a pod", serves_pods),
                   ("a right too many is found", comparison_can_fail),
                   ("what it does not need is refused", others_are_refused)], "config", **PLAIN)
    way("operator", [("CAP_SYS_ADMIN alone, where MIG may be in use", privileges, SYS_ADMIN, [FEATURES]),
                     ("what the driver root lets it reach", sees_the_host)],
        "devicePlugin.config", "nfd-file", events=False)
    way("policy", [], "clusterPolicy.enabled")
    way("policy-named", [], "clusterPolicy.enabled", events=False, **{"clusterPolicy.configMaps": f"{{{PROFILES}}}"})
    way("feature", [], "config", "node-feature", events=False)
    way("direct", [], "", "node", events=False)
    way("discovery", [], "config", "node-feature", use=discover_and_compare, program="gfd",
        **{"devicePlugin.enabled": "false", "gfd.enabled": "true"})
    way("told", [], "", "none")
    way("alone", [("it has no token", has_no_token)], "", "none", events=False)


def leaves_no_rights(way):
    way.label("")
    way.uninstall()
    left = granted(way.cluster, way.namespace, way.account)
    expect(not left, f"rights are left: {sorted(map(shown, left))}")


def set_up(cluster):
    cluster.import_image(bed.product_image())
    crds = cluster.parts["nfd"] / "deployment/base/nfd-crds/nfd-api-crds.yaml"
    for file in (CRD, crds):
        cluster.kubectl("apply", "-f", file)
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s", seconds=70)


def cases(run):
    with bed.Cluster(names=NODES, default_runtime="nvidia", parts=bed.programs(seed_only=False)) as cluster:
        set_up(cluster)
        # First: later on GPUs are others than the nodes began with, and the kubelet tells of MIG devices that were.
        access_kubectl.cases(run, Way(cluster, "gpu-operator", "devicePlugin.config", **PLAIN))
        access_policy.cases(run, Way(cluster, "labelled", "config", "node", events=False))
        ways_to_install(run, cluster)
