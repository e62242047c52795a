"""What a service account was granted, by the roles bound to it, and what it used, by the API server's audit log."""

import collections
import json

from bed.program import Fault

Right = collections.namedtuple("Right", "verb group resource namespace name")


def shown(right):
    what = right.resource + (f".{right.group}" if right.group else "")
    where = f" in {right.namespace}" if right.namespace else ""
    return f"{right.verb} {what}{'/' + right.name if right.name else ''}{where}"


def user_name(namespace, account):
    return f"system:serviceaccount:{namespace}:{account}"


def granted(cluster, namespace, account):
    """Each verb on each thing, by every binding of the cluster that names the account. No name: any."""
    rights = set()
    for kind in ("clusterrolebindings", "rolebindings"):
        for binding in cluster.get(kind, "-A")["items"]:
            if not any(subject["kind"] == "ServiceAccount" and subject["name"] == account and
                       subject["namespace"] == namespace for subject in binding.get("subjects", [])):
                continue
            space = binding["metadata"].get("namespace", "")
            role = binding["roleRef"]
            found = cluster.get(role["kind"].lower(), role["name"], *(["-n", space] if space else []))
            for rule in found["rules"]:
                rights |= expanded(rule, space)
    return rights


def expanded(rule, namespace):
    if "nonResourceURLs" in rule:
        raise Fault(f"a rule about paths: {rule}")
    return {Right(verb, group, resource, namespace, name) for verb in rule["verbs"] for group in rule["apiGroups"]
            for resource in rule["resources"] for name in rule.get("resourceNames") or [""]}


class Audit:
    """What one account has asked for since a moment: its rights used, and what was refused."""

    def __init__(self, cluster, user):
        self._path, self._user = cluster.plane.audit, user
        self._from = self._path.stat().st_size if self._path.exists() else 0

    def requests(self):
        with open(self._path, "rb") as file:
            file.seek(self._from)
            # The last line may be half written.
            lines = file.read().split(b"\n")[:-1]
        return [entry for entry in map(json.loads, lines) if entry["user"].get("username") == self._user]

    def used(self):
        """As right → how many requests; a list or watch of one object by its name has that name."""
        return collections.Counter(right_of(entry) for entry in self.requests() if not was_refused(entry))

    def refused(self):
        return sorted({shown(right_of(entry)) for entry in self.requests() if was_refused(entry)})


def was_refused(entry):
    return (entry.get("responseStatus", {}).get("code") in (401, 403) or
            entry.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid")


def right_of(entry):
    thing = entry.get("objectRef")
    if thing is None:
        return Right(entry["verb"], "", entry["requestURI"], "", "")
    resource = thing["resource"] + (f"/{thing['subresource']}" if "subresource" in thing else "")
    return Right(entry["verb"], thing.get("apiGroup", ""), resource, thing.get("namespace", ""),
                 thing.get("name", ""))


def covers(grant, use):
    """In the same scope: a right for the whole cluster, used in one namespace, is wider than what was used."""
    return grant[:4] == use[:4] and grant.name in ("", use.name)


def never_used(grants, uses):
    return sorted(shown(grant) for grant in grants if not any(covers(grant, use) for use in uses))


def not_granted(grants, uses):
    return sorted(shown(use) for use in uses if not any(covers(grant, use) for grant in grants))
