"""The admission policy that holds the agent's account to labels of its own node, by the API server itself.

Requests are made with real tokens: those of the agents' pods, and one that was issued for no pod. RBAC alone
would let them through; to see what the policy adds, the account is given every right on nodes meanwhile.
"""

import json

import bed
from bed import expect
from bed.api import Api

HERE, THERE = "gpu-node", "dev-gpu-node"
SHIPPED = bed.ROOT / "deploy/labels-policy/policy.yaml"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
KEY = "tranche.dev/access-test"
APPLY = "application/apply-patch+yaml"
SHOWN = set()  # what a user would be told; each once

ALL_OF_NODES = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: all-of-nodes}
rules: [{apiGroups: [""], resources: [nodes, nodes/status], verbs: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: all-of-nodes}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: all-of-nodes}
subjects: [{kind: ServiceAccount, name: tranche-plugin, namespace: NAMESPACE}]
"""


def label(key, value="x"):
    return {"metadata": {"labels": {key: value}}}


class Tokens:
    """The API server as it is asked with each token of the account."""

    def __init__(self, way):
        made = way.cluster.kubectl("-n", way.namespace, "create", "token", "tranche-plugin").stdout.strip()
        self.here = Api(way.cluster, way.exec("cat", TOKEN))
        self.there = Api(way.cluster, way.exec("cat", TOKEN, node=THERE))
        self.of_no_pod = Api(way.cluster, made)


def patch(api, node, body, more="", content=None):
    return api.ask("PATCH", f"/api/v1/nodes/{node}{more}", body, content)


def ours_are_taken(tokens):
    """Keys of ours on the token's own node: set, changed and taken away, by patch and by server-side apply."""
    for value in ("one", "two", None):
        code, answer = patch(tokens.here, HERE, label(KEY, value))
        expect(code == 200 and answer["metadata"]["labels"].get(KEY) == value, f"{value}: {code} {answer}")
    for key in ("nvidia.com/gpu.access-test", "nvidia.com/mig-1g.5gb.access-test", "nvidia.com/cuda.access-test"):
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": HERE, "labels": {key: "x"}}}
        for said in (body, {**body, "metadata": {"name": HERE}}):
            code, answer = patch(tokens.here, HERE, said, "?fieldManager=access-test", APPLY)
            expect(code == 200, f"{key} by server-side apply: {code} {answer}")
            now = answer["metadata"]["labels"]
            expect((key in now) == ("labels" in said["metadata"]), f"{key} by server-side apply: {now}")
    expect(patch(tokens.there, THERE, label(KEY))[0] == 200, "the other node's token on its own node")
    expect(patch(tokens.there, THERE, label(KEY, None))[0] == 200, "taken away again")


def is_refused(answer, why):
    code, message = answer
    expect(code == 403 or code == 422, f"not refused: {code}")
    expect("tranche-node-labels" in message and why in message, f"refused otherwise: {message}")
    said = message.split("denied request: ")[-1]
    if said not in SHOWN:
        SHOWN.add(said)
        print(f"      {said}")


def others_nodes_are_refused(tokens):
    is_refused(patch(tokens.here, THERE, label(KEY)), f"a token of node {HERE} may not change node {THERE}")
    is_refused(patch(tokens.there, HERE, label(KEY)), f"a token of node {THERE} may not change node {HERE}")
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": THERE, "labels": {KEY: "x"}}}
    is_refused(patch(tokens.here, THERE, body, "?fieldManager=tranche-gfd&force=true", APPLY),
               f"a token of node {HERE}")


def tokens_of_no_pod_are_refused(tokens):
    is_refused(patch(tokens.of_no_pod, HERE, label(KEY)), "the token names no node")


FOREIGN = ("node-role.kubernetes.io/control-plane", "kubernetes.io/hostname", "topology.kubernetes.io/zone",
           "team", "nvidia.com/device-plugin.config", "nvidia.com/gpu.deploy.device-plugin", "nvidia.com/gpu.present",
           "nvidia.com/mig.config", "nvidia.com/gpuxproduct", "xnvidia.com/gpu.product", "tranche.devx/a")


def foreign_keys_are_refused(tokens):
    for key in FOREIGN:
        is_refused(patch(tokens.here, HERE, label(key)), f"may not change {key}")
    # Together with one of ours, too; and so is taking a foreign one away.
    mixed = {"metadata": {"labels": {KEY: "x", "team": "x"}}}
    is_refused(patch(tokens.here, HERE, mixed), "may not change team")
    is_refused(patch(tokens.here, HERE, label("kubernetes.io/os", None)), "may not change kubernetes.io/os")


def all_but_labels_is_refused(tokens):
    why = "this account may change labels of its node, and nothing else"
    for body in ({"spec": {"unschedulable": True}}, {"spec": {"taints": [{"key": "x", "effect": "NoExecute"}]}},
                 {"metadata": {"annotations": {"tranche.dev/a": "x"}}},
                 {"metadata": {"finalizers": ["tranche.dev/a"]}},
                 {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "x"}]}}):
        is_refused(patch(tokens.here, HERE, body), why)
    is_refused(patch(tokens.here, HERE, {"status": {"capacity": {"nvidia.com/gpu": "99"}}}, "/status"), why)
    is_refused(tokens.here.ask("DELETE", f"/api/v1/nodes/{HERE}"), why)
    made = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "made-up"}}
    is_refused(tokens.here.ask("POST", "/api/v1/nodes", made), why)


def others_are_not_held(way):
    """The policy is about one account: an administrator labels as before."""
    way.cluster.kubectl("label", "node", THERE, "team=x")
    way.cluster.kubectl("label", "node", THERE, "team-")


def without_it_all_goes_through(way, tokens):
    """The harm: what was refused above, with the binding taken away."""
    cluster = way.cluster
    cluster.kubectl("delete", "validatingadmissionpolicybinding", "tranche-node-labels")
    harm = ((THERE, label(KEY)), (HERE, label("team")), (HERE, {"spec": {"unschedulable": True}}))
    for node, body in harm:
        cluster.wait_for(f"without the policy {body} on {node} goes through",
                         lambda node=node, body=body: patch(tokens.here, node, body)[0] == 200, 60)
    expect(patch(tokens.of_no_pod, THERE, label(KEY, None))[0] == 200, "a token of no pod")
    for body in (label("team", None), {"spec": {"unschedulable": None}}):
        patch(tokens.here, HERE, body)


def shipped_holds_too(way, tokens):
    """deploy/labels-policy/policy.yaml, its two names filled in: for those who do not use the chart."""
    cluster = way.cluster
    text = SHIPPED.read_text().replace("NAMESPACE:ACCOUNT", f"{way.namespace}:tranche-plugin")
    cluster.kubectl("delete", "validatingadmissionpolicy", "tranche-node-labels")
    cluster.apply(text)
    in_force(way, tokens)
    for case in (ours_are_taken, others_nodes_are_refused, tokens_of_no_pod_are_refused, foreign_keys_are_refused,
                 all_but_labels_is_refused):
        case(tokens)
    cluster.kubectl("delete", "-f", "-", input=text)


def in_force(way, tokens):
    """The API server learns of a new policy a moment after it was made."""
    def refused():
        code, _ = patch(tokens.here, THERE, label(KEY))
        if code == 200:
            patch(tokens.here, THERE, label(KEY, None))
        return code != 200
    way.cluster.wait_for("the policy is in force", refused, 60)


def node_labels(way, node=HERE):
    labels = way.cluster.node(node)["metadata"]["labels"]
    return {key: value for key, value in labels.items() if key.startswith(("nvidia.com/", "tranche.dev/"))}


def labels_become(way, what, right):
    way.cluster.wait_for(f"{what}; labels: {json.dumps(node_labels(way))}", lambda: right(node_labels(way)), 90, 0.2)


def labels_follow(way):
    """What a profile or a GPU brought goes with it, and labels of others stay."""
    cluster, sim = way.cluster, way.cluster.nodes[HERE].sim
    labels_become(way, "shared by 4", lambda now: now.get("nvidia.com/gpu.replicas") == "4" and
                  now.get("nvidia.com/gpu.product", "").endswith("-SHARED"))
    before = set(node_labels(way))
    others = {"team", "nvidia.com/gpu.deploy.operands"}
    cluster.kubectl("label", "node", HERE, *(f"{key}=x" for key in others))
    mixed = "version: v1\nflags: {migStrategy: mixed}\n"
    way.profiles(default=cluster.get("configmap", "-n", way.namespace, "device-plugin-config")["data"]["default"],
                 mixed=mixed)
    sim("mig", "0", "1g.10gb*7")
    sim("mig", "1", "1g.10gb*7")
    way.label("mixed")
    labels_become(way, "the labels of MIG devices", lambda now: now.get("nvidia.com/mig-1g.10gb.count") == "14")
    brought = set(node_labels(way)) - before - others - {"nvidia.com/device-plugin.config"}
    print(f"      the profile brings {len(brought)} labels, of nvidia.com/mig-1g.10gb.count's kind")
    sim("mig", "0", "off")
    sim("mig", "1", "off")
    way.label("")
    labels_become(way, "the MIG labels are gone", lambda now: not brought & set(now) and
                  now.get("nvidia.com/gpu.replicas") == "4")
    expect(others <= set(cluster.node(HERE)["metadata"]["labels"]), "labels of others are gone")
    cluster.kubectl("label", "node", HERE, *(f"{key}-" for key in others))
    expect(set(node_labels(way)) == before, f"as before: {sorted(set(node_labels(way)) ^ before)}")


def install(way):
    way.install()
    way.serves(8)


def cases(run, way):
    if not run("labels: node, installed with its policy", install, way):
        return
    run("labels follow the profile, and go with it", labels_follow, way)
    way.cluster.apply(ALL_OF_NODES.replace("NAMESPACE", way.namespace))
    tokens = Tokens(way)
    in_force(way, tokens)
    run("policy: labels of ours on the own node", ours_are_taken, tokens)
    run("policy: no other node", others_nodes_are_refused, tokens)
    run("policy: no token that names no node", tokens_of_no_pod_are_refused, tokens)
    run("policy: no key of others", foreign_keys_are_refused, tokens)
    run("policy: nothing but labels, whatever RBAC allows", all_but_labels_is_refused, tokens)
    run("policy: nobody else is held", others_are_not_held, way)
    run("policy: without it all of that goes through", without_it_all_goes_through, way, tokens)
    run("policy: the one beside the chart holds too", shipped_holds_too, way, tokens)
    way.cluster.kubectl("delete", "clusterrolebinding/all-of-nodes", "clusterrole/all-of-nodes")
    way.uninstall()
