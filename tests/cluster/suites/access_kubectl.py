"""`kubectl tranche` as a user has it: a program on the PATH of the real kubectl, with that user's own rights."""

import json
import pathlib
import re
import shlex
import time

import bed
from bed import expect
from bed.node import gpu_uuid

HERE, THERE = "gpu-node", "dev-gpu-node"
SEED = bed.ROOT / "tests/seed"
PROGRAM = bed.ROOT / "build/release/bin/tranche"
LABEL = "nvidia.com/device-plugin.config"
# What docs/kubernetes.md says that its commands need.
READER = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: tranche-reader}
rules:
- {apiGroups: [""], resources: [nodes, pods], verbs: [get, list]}
- {apiGroups: [""], resources: [pods/proxy], verbs: [get]}
# Only for the names of the profiles there are.
- {apiGroups: [""], resources: [configmaps], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: tranche-labeller}
rules:
- {apiGroups: [""], resources: [nodes], verbs: [patch]}
"""


class User:
    """Somebody with kubectl, the plugin on the PATH under both of its names, and a kubeconfig."""

    def __init__(self, way, folder, kubeconfig=None):
        self.way, self.cluster, self.folder = way, way.cluster, pathlib.Path(folder)
        self._kubeconfig = kubeconfig
        path = self.folder / "bin"
        if not path.exists():
            path.mkdir()
            for name in ("kubectl-tranche", "kubectl_complete-tranche"):
                (path / name).symlink_to(PROGRAM)

    def line(self, text, check=True, seconds=100):
        settings = f"export PATH={self.folder}/bin:$PATH"
        if self._kubeconfig:
            settings += f" KUBECONFIG={self._kubeconfig}"
        return self.cluster.shell(f"{settings}; {text}", check=check, seconds=seconds)

    def tranche(self, arguments, wanted=0, show=True):
        """What `kubectl tranche …` says, and its exit status as it should be; shown as a user sees it."""
        if show:
            print(f"    $ kubectl tranche {arguments}", flush=True)
        done = self.line(f"kubectl tranche {arguments}", check=False)
        if show:
            for line in (done.stdout + done.stderr).splitlines()[-16:]:
                print(f"      {line}", flush=True)
        expect(done.returncode == wanted, f"kubectl tranche {arguments}: exit {done.returncode}, wanted {wanted}\n"
               f"{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def status(self, arguments="", wanted=0):
        found = json.loads(self.tranche(f"status -o json {arguments}", wanted, show=False))
        return {node["name"]: node for node in found["nodes"]}

    def of(self, account):
        """Another user: a service account, by a kubeconfig with a token of its."""
        token = self.cluster.kubectl("-n", "default", "create", "token", account).stdout.strip()
        path = self.folder / f"{account}.kubeconfig"
        config = json.loads(self.cluster.kubectl("config", "view", "--raw", "-o", "json").stdout)
        config["users"] = [{"name": account, "user": {"token": token}}]
        config["contexts"] = [{"name": account, "context": {"cluster": config["clusters"][0]["name"], "user": account}}]
        path.write_text(json.dumps({**config, "current-context": account}))
        path.chmod(0o600)
        return User(self.way, self.folder, path)


def is_a_plugin(user):
    expect(f"{user.folder}/bin/kubectl-tranche" in user.line("kubectl plugin list").stdout, "kubectl plugin list")
    expect("Subcommands:" in user.tranche("--help", show=False), "--help")


def table(user):
    user.cluster.run_pod("user", gpus=1, node=HERE)
    text = user.tranche("status")
    expect(text.split("\n")[0].split() == ["NODE", "PROFILE", "RESOURCE", "ADVERTISED", "ALLOCATABLE", "IN", "USE",
                                           "GPUS", "HEALTH", "WARNINGS"], text)
    for node, used in ((HERE, 1), (THERE, 0)):
        row = next(line for line in text.splitlines() if line.startswith(node))
        expect(re.search(rf"default +nvidia.com/gpu +8 +8 +{used} +2 × .*A100.* healthy +0$", row.rstrip()), row)
    one = user.tranche(f"status {THERE}", show=False)
    expect(THERE in one and f"\n{HERE}" not in one, one)
    wide = user.tranche("status -o wide")
    for node in (HERE, THERE):
        for index in (0, 1):
            expect(gpu_uuid(node, index) in wide, f"{node}'s GPU {index}")
        expect(f"{user.way.namespace}/{user.way.pod(node)['metadata']['name']}" in wide, f"the pod on {node}")


def for_programs(user):
    """JSON as Python reads it, YAML as Helm reads it; the same in both, and as the API server has it."""
    found = user.status()
    for name, node in found.items():
        (resource,) = node["resources"]
        status = user.cluster.node(name)["status"]
        expect(resource == {"name": "nvidia.com/gpu", "capacity": int(status["capacity"]["nvidia.com/gpu"]),
                            "allocatable": int(status["allocatable"]["nvidia.com/gpu"]),
                            "inUse": 1 if name == HERE else 0}, f"{name}: {resource}")
        expect({gpu["uuid"] for gpu in node["gpus"]} == {gpu_uuid(name, index) for index in (0, 1)}, "UUIDs")
    chart = user.folder / "reads-yaml"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: reads-yaml, version: 0.0.1}")
    (chart / "templates/out.json").write_text("{{ .Values | toJson }}")
    (chart / "status.yaml").write_text(user.tranche("status -o yaml", show=False))
    read = user.cluster.helm("template", "x", chart, "-f", chart / "status.yaml").stdout
    same = json.loads(next(line for line in read.splitlines() if line.startswith("{")))
    expect({node["name"]: node for node in same["nodes"]} == found, f"YAML and JSON differ: {same}\n{found}")
    user.cluster.delete_pod("user")


def gives_a_profile(user):
    """It returns when the API object has the new count, and says how long that took."""
    start = time.monotonic()
    text = user.tranche(f"profile {HERE} dev")
    took = time.monotonic() - start
    seen = user.cluster.allocatable(HERE)
    expect(seen == 16, f"allocatable as it returns: {seen}")
    expect(user.cluster.node(HERE)["metadata"]["labels"][LABEL] == "dev", "the label")
    expect("profile dev is in force" in text and "8 → 16 allocatable" in text, text)
    print(f"      {took:.1f} s in all")
    expect(user.status()[HERE]["profile"]["inForce"] == "dev", "status afterwards")


def explains_a_missing_profile(user):
    text = user.tranche(f"profile {HERE} nope", 1)
    expect("nope" in text and "what was in force stays" in text, text)
    expect("default" in text and "dev" in text, f"it does not say which there are: {text}")
    expect(user.cluster.allocatable(HERE) == 16, "the last good profile has gone")
    status = user.tranche("status", 1)
    expect("dev (label: nope)" in status and "Degraded:" in status, status)
    expect(any("nope" in line for line in user.status(wanted=1)[HERE]["warnings"]), "no warning in JSON")


def removes_the_profile(user):
    text = user.tranche(f"profile {HERE} --remove")
    expect("16 → 8 allocatable" in text, text)
    expect(user.cluster.allocatable(HERE) == 8, "allocatable as it returns")
    expect(LABEL not in user.cluster.node(HERE)["metadata"]["labels"], "the label is left")


def refuses_what_makes_no_sense(user):
    for arguments, says in ((f"profile {HERE}", "NAME"), ("profile nowhere dev", "nowhere"),
                            (f"profile {HERE} not/a/name", "cannot be a label's value"),
                            (f"profile {HERE} dev --timeout=soon", "--timeout"), ("status nowhere", "nowhere"),
                            ("status -o xml", "xml")):
        expect(says in user.tranche(arguments, 2, show=False), arguments)
    expect(LABEL not in user.cluster.node(HERE)["metadata"]["labels"], "one of them labelled the node")


def shows_an_ill_gpu(user):
    sim = user.cluster.nodes[HERE].sim
    sim("lose", "1")
    try:
        user.cluster.wait_for("an ill GPU is seen", lambda: ill(user, HERE) == [gpu_uuid(HERE, 1)], 60, 0.5)
        text = user.tranche("status -o wide", 1)
        expect("1 of 2 unhealthy" in text and re.search(r"unhealthy +GPU-\S+ +\S", text), text)
    finally:
        sim("return", "1")
    user.cluster.wait_for("it is well again", lambda: not ill(user, HERE), 60, 0.5)
    user.cluster.wait_for("and no warning is left", lambda: "Degraded" not in
                          user.line("kubectl tranche status", check=False).stdout, 60, 0.5)
    user.tranche("status", show=False)


def ill(user, name):
    found = json.loads(user.line("kubectl tranche status -o json", check=False).stdout)
    (node,) = [node for node in found["nodes"] if node["name"] == name]
    return [gpu["uuid"] for gpu in node.get("gpus") or [] if not gpu["healthy"]]


def says_where_no_agent_answers(user):
    """One that is stopped, and a node whose agent is gone: the rest is shown all the same."""
    node = user.cluster.nodes[THERE]
    pids = node.run("sh", "-c", "grep -lzx 'agen[t]' /proc/[0-9]*/cmdline | cut -d/ -f3").stdout.split()
    expect(len(pids) == 1, f"agents on {THERE}: {pids}")
    node.run("kill", "-STOP", pids[0])
    try:
        text = user.line("kubectl tranche status", check=False).stdout
        print("\n".join(f"      {line}" for line in text.splitlines()))
        expect(f"{THERE}: the plugin's pod" in text and "does not tell its state" in text, text)
        expect(re.search(rf"^{HERE} .* healthy ", text, re.M), f"the other node: {text}")
    finally:
        node.run("kill", "-CONT", pids[0])
    user.way.helm("upgrade", "--set", f"nodeSelector.kubernetes\\.io/hostname={HERE}")
    user.cluster.wait_for("no agent there", lambda: not user.way.pods(THERE), 60)
    text = user.tranche("status")
    expect(f"{THERE}: no plugin pod on this node" in text, text)
    expect("no plugin pod runs" in user.tranche(f"profile {THERE} dev", 1), "profile on a node without agent")
    user.cluster.kubectl("label", "node", THERE, LABEL + "-")
    user.way.helm("upgrade")


def shows_who_uses_the_gpus(user):
    """It is said where tranche-node is not installed; with it, pods that share a GPU are shown beside each other."""
    text = user.tranche("top", 2)
    expect("no pod of tranche node runs" in text and "node.enabled=true" in text, text)
    names = [f"sharer-{i}" for i in range(3)]  # on two GPUs
    for name in names:
        user.cluster.run_pod(name, gpus=1, node=HERE)
    user.way.helm("upgrade", "--set", "node.enabled=true")
    user.cluster.wait_for("both nodes answer, and the pods are known", lambda: sharers(user) == names, 120, 0.5)
    text = user.tranche("pods")
    rows = [line.split() for line in text.splitlines()[1:]]
    expect([row[3] for row in rows if row[2] == "default"] == sorted(
        (row[3] for row in rows if row[2] == "default"), key=lambda name: (gpu_of(rows, name), name)), text)
    shared = json.loads(user.tranche("pods -o json", show=False))
    with_others = [item for item in shared["items"] if item["sharedWith"]]
    expect(len(with_others) >= 2, f"three pods on two GPUs, and nobody shares: {shared}")
    for item in shared["items"]:
        expect(item["uuid"] in {gpu_uuid(HERE, 0), gpu_uuid(HERE, 1)} and item["replicas"] == 1, str(item))
        expect({f"default/{other['pod']}" for other in shared["items"]
                if other["uuid"] == item["uuid"] and other["pod"] != item["pod"]} == set(item["sharedWith"]), str(item))
    text = user.tranche("top")
    for node in (HERE, THERE):
        for index in (0, 1):
            expect(re.search(rf"^{node} +{index} +\S*.*A100.* Healthy ", text, re.M), text)
    expect(all(f"  {name} " in text for name in names), text)
    found = json.loads(user.tranche("top -o json", show=False))
    expect([node["name"] for node in found["nodes"]] == sorted((HERE, THERE)), str(found))
    expect(user.tranche("top -o name", show=False).split() == [f"pod/{name}" for name in names], "-o name")
    expect("No pod uses a GPU in namespace kube-system" in user.tranche("top -n kube-system", show=False), "-n")
    one = user.tranche(f"top {THERE}", show=False)
    expect(THERE in one and f"\n{HERE} " not in one, one)
    expect("no pod of tranche node runs there" in user.tranche("top nowhere", 2, show=False), "a node that is not there")
    user.cluster.delete_pod(*names)


def sharers(user):
    done = user.line("kubectl tranche pods -o json", check=False)
    if done.returncode != 0:
        return None
    return sorted(item["pod"] for item in json.loads(done.stdout)["items"])


def gpu_of(rows, name):
    return next(row[1] for row in rows if row[3] == name)


def validates(user):
    text = user.tranche(f"validate {SEED}/01-configmap.yaml --node {HERE}")
    expect(re.search(r"\b8\b", text) and re.search(r"\b16\b", text), text)
    text = user.tranche(f"validate {SEED}/02-no-sharing.yaml --node {HERE}")
    user.tranche(f"validate {SEED}/01-configmap.yaml", show=False)
    for other in ("03-container-env.yaml", "04-scheduler.yaml"):
        user.tranche(f"validate {SEED}/{other}", 2, show=False)
    space = user.way.namespace
    done = user.line(f"kubectl -n {space} get configmap device-plugin-config -o yaml | kubectl tranche validate - "
                     f"--node {HERE} -o json")
    expect(isinstance(json.loads(done.stdout), dict), done.stdout)
    (user.folder / "wrong.yaml").write_text("version: v1\nsharing:\n  timeSlicing:\n    resources:\n"
                                            "    - {name: nvidia.com/gpu, replicas: -4}\n")
    expect("replicas" in user.tranche(f"validate {user.folder}/wrong.yaml", 1), "an invalid one")


COMPLETION = """. /usr/share/bash-completion/bash_completion
. <(kubectl completion bash)
COMP_LINE={line}; COMP_POINT=${{#COMP_LINE}}; COMP_TYPE=9; COMP_KEY=9
read -ra COMP_WORDS <<<"$COMP_LINE"; [[ $COMP_LINE != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ :; }}  # outside of readline there is nothing to set
__start_kubectl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completes(user):
    """In bash, by kubectl's own completion, as where the tab key is pressed behind these words."""
    for line, wanted in (("kubectl tranche ", ["pods", "profile", "status", "top", "validate"]),
                         ("kubectl tranche st", ["status"]),
                         ("kubectl tranche status ", [THERE, HERE]), ("kubectl tranche profile gp", [HERE]),
                         (f"kubectl tranche profile {HERE} ", ["default", "dev"]),
                         (f"kubectl tranche profile {HERE} d", ["default", "dev"]),
                         ("kubectl tranche status -o ", ["json", "table", "wide", "yaml"]),
                         ("kubectl tranche top g", [HERE]),
                         ("kubectl tranche pods --sort ", ["busy", "idle", "memory", "name"]),
                         ("kubectl tranche profile --t", ["--timeout"])):
        done = user.line(COMPLETION.format(line=shlex.quote(line)), check=False)
        words = [word.strip() for word in done.stdout.splitlines() if word.strip()]
        expect(sorted(words) == sorted(wanted), f"{line!r}: {words}, wanted {wanted}\n{done.stderr}")


def says_which_right_is_missing(user):
    """Somebody without rights, one who may see pods, one who may see all, and one who may label too."""
    cluster = user.cluster
    cluster.apply(READER)
    for account, roles in (("nobody", []), ("viewer", ["view"]), ("reader", ["tranche-reader"]),
                           ("labeller", ["tranche-reader", "tranche-labeller"])):
        cluster.kubectl("-n", "default", "create", "serviceaccount", account)
        for role in roles:
            cluster.kubectl("create", "clusterrolebinding", f"{account}-{role}", f"--clusterrole={role}",
                            f"--serviceaccount=default:{account}")
    nobody, viewer, reader, labeller = (user.of(name) for name in ("nobody", "viewer", "reader", "labeller"))
    expect('cannot list resource "nodes"' in nobody.tranche("status", 2), "status of nobody")
    expect('cannot get resource "nodes"' in nobody.tranche(f"profile {HERE} dev", 2), "profile of nobody")
    seen = viewer.tranche("status")
    expect("nodes cannot be listed: forbidden" in seen and "does not tell its state: forbidden" in seen, seen)
    expect(reader.status() == user.status(), "a reader sees less")
    expect("the right to list pods in all namespaces" in nobody.tranche("top", 2), "top of nobody")
    expect("the right to get pods/proxy in namespace" in viewer.tranche("pods", 2), "pods of a viewer")
    expect(reader.tranche("top", show=False).startswith("NODE"), "top of a reader")
    expect('cannot patch resource "nodes"' in reader.tranche(f"profile {HERE} dev", 2), "profile of a reader")
    expect(LABEL not in cluster.node(HERE)["metadata"]["labels"], "the label is set")
    labeller.tranche(f"profile {HERE} dev", show=False)
    labeller.tranche(f"profile {HERE} --remove", show=False)


def comes_with_the_image(user):
    """In a pod of the image, as an account that may read: for those who have no build."""
    image = user.way.pod()["spec"]["containers"][0]["image"]
    user.cluster.run_pod("teller", image=image, command=["kubectl-tranche", "status", "-o", "json"], node=THERE,
                         serviceAccountName="reader")
    user.cluster.wait_pod("teller", phases=("Succeeded", "Failed"))
    told = json.loads(user.cluster.logs("teller"))
    expect({node["name"]: node for node in told["nodes"]} == user.status(), f"it says: {told}")
    user.cluster.run_pod("completer", image=image, command=["kubectl_complete-tranche", "st"], node=THERE)
    user.cluster.wait_pod("completer", phases=("Succeeded", "Failed"))
    expect(user.cluster.logs("completer").split() == ["status", ":4"], user.cluster.logs("completer"))
    user.cluster.delete_pod("teller", "completer")


def install(way):
    way.install()
    way.serves(8)
    for node in (HERE, THERE):
        way.cluster.wait_for(f"{node} has 8", lambda node=node: way.cluster.allocatable(node) == 8, 60)


def cases(run, way):
    with bed.scratch() as folder:
        user = User(way, folder)
        if not run("kubectl tranche: a cluster to look at", install, way):
            return
        for name, case in (("is a plugin of kubectl", is_a_plugin), ("status as a table", table),
                           ("status for programs", for_programs),
                           ("profile: waits until it is in force", gives_a_profile),
                           ("profile: one that is missing", explains_a_missing_profile),
                           ("profile: the default again", removes_the_profile),
                           ("wrong words", refuses_what_makes_no_sense), ("status: an ill GPU", shows_an_ill_gpu),
                           ("top and pods: who uses the GPUs", shows_who_uses_the_gpus),
                           ("validate", validates), ("completion in bash", completes),
                           ("says which right is missing", says_which_right_is_missing),
                           ("status: where no agent answers", says_where_no_agent_answers),
                           ("from the image", comes_with_the_image)):
            run(f"kubectl tranche: {name}", case, user)
        way.uninstall()
