"""etcd, the API server, the controller manager and the scheduler, in namespaces of their own."""

import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

from bed import network
from bed.pki import Authority
from bed.program import HERE, Namespaces, Program

# What pods asked for, without what they were told; the cluster's own controllers have accounts too.
AUDIT = """apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, userGroups: ["system:serviceaccounts:kube-system"]}
- {level: Metadata, userGroups: ["system:serviceaccounts"]}
- {level: None}
"""


class ControlPlane:
    def __init__(self, record, programs):
        self.record = record
        self.programs = programs
        self.folder = record.folder
        self.authority = Authority(self.folder / "pki")
        self.port = network.free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self._sign()
        self.namespaces = Namespaces(record, "control-plane", {"hostname": "control-plane"})
        self.namespaces.wait_ready()
        network.set_up_control_plane(self.namespaces)
        self._forward()
        self.etcd = self._etcd()
        self.apiserver = self._apiserver()
        self.controller_manager = self._client("kube-controller-manager", "controller-manager", [
            "--use-service-account-credentials", "--root-ca-file", self.pki("ca.crt"),
            "--service-account-private-key-file", self.pki("sa.key"), "--kube-api-qps=200", "--kube-api-burst=400"])
        self.scheduler = self._client("kube-scheduler", "scheduler", [])

    def pki(self, name):
        return self.authority.folder / name

    def _sign(self):
        sign = self.authority.sign
        sign("apiserver", "kube-apiserver", addresses=[
            "DNS:localhost", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc",
            "IP:127.0.0.1", f"IP:{network.BRIDGE}", f"IP:{network.SERVICE}"])
        sign("apiserver-kubelet", "kube-apiserver-kubelet", "system:masters")
        sign("admin", "admin", "system:masters")
        sign("controller-manager", "system:kube-controller-manager")
        sign("scheduler", "system:kube-scheduler")
        self.authority.key_pair("sa")
        inside = f"https://{network.SERVICE}:{network.PORT}"
        for name in ("controller-manager", "scheduler"):
            self.authority.kubeconfig(self.folder / f"{name}.kubeconfig", inside, name)
        self.kubeconfig = self.authority.kubeconfig(self.folder / "kubeconfig", self.url, "admin")

    def _forward(self):
        with open(self.folder / "forward.log", "w", encoding="utf-8") as log:
            child = subprocess.Popen(
                [sys.executable, "-B", str(HERE / "forward.py"), str(self.port), str(self.namespaces.pid),
                 network.SERVICE, str(network.PORT)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        self.record.add_process(child.pid, "forward")

    def _program(self, name, arguments):
        return Program(self.namespaces, name, arguments, self.folder / f"{name}.log")

    def _etcd(self):
        return self._program("etcd", [
            self.programs["etcd"] / "server", "--data-dir", self.folder / "etcd", "--unsafe-no-fsync",
            "--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
            "--initial-cluster=default=http://127.0.0.1:2380", "--log-level=warn"])

    @property
    def audit(self):
        """The API server's log of what service accounts asked for: a JSON object on each line."""
        return self.folder / "audit.json"

    def _apiserver(self):
        pki = self.pki
        policy = self.folder / "audit-policy.yaml"
        policy.write_text(AUDIT)
        return self._program("kube-apiserver", [
            self.programs["kubernetes"] / "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379",
            f"--advertise-address={network.BRIDGE}", f"--secure-port={network.PORT}",
            f"--service-cluster-ip-range={network.SERVICES}", "--allow-privileged", "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction", "--client-ca-file", pki("ca.crt"),
            "--tls-cert-file", pki("apiserver.crt"), "--tls-private-key-file", pki("apiserver.key"),
            "--kubelet-client-certificate", pki("apiserver-kubelet.crt"),
            "--kubelet-client-key", pki("apiserver-kubelet.key"), "--kubelet-certificate-authority", pki("ca.crt"),
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file", pki("sa.pub"), "--service-account-signing-key-file", pki("sa.key"),
            "--audit-policy-file", policy, "--audit-log-path", self.audit])

    def _client(self, name, user, more):
        kubeconfig = self.folder / f"{user}.kubeconfig"
        return self._program(name, [
            self.programs["kubernetes"] / name, "--kubeconfig", kubeconfig, "--leader-elect=false",
            "--authentication-kubeconfig", kubeconfig, "--authorization-kubeconfig", kubeconfig, *more])

    def tls(self, administrator):
        """For a client of the API server: the authority to trust and, for the administrator, the certificate."""
        context = ssl.create_default_context(cafile=self.pki("ca.crt"))
        if administrator:
            context.load_cert_chain(self.pki("admin.crt"), self.pki("admin.key"))
        return context

    def ready(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                             urllib.request.HTTPSHandler(context=self.tls(administrator=True)))
        try:
            with opener.open(self.url + "/readyz", timeout=2) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def start(self):
        self.etcd.start()
        self.start_apiserver()
        # They read the API server's address once, and end where it does not answer in time.
        self.controller_manager.start()
        self.scheduler.start()

    def start_apiserver(self, seconds=60):
        self.apiserver.start()
        self.apiserver.wait_for("the API server is ready", self.ready, seconds)

    def stop_apiserver(self):
        # It would wait for its watches to end by themselves.
        self.apiserver.stop(seconds=3)

    def stop(self):
        for program in (self.scheduler, self.controller_manager, self.apiserver, self.etcd):
            program.stop(seconds=5)

    def copy_etcd(self, to):
        """The data of a stopped etcd, to be put back later (see restore_etcd)."""
        shutil.copytree(self.folder / "etcd", to)

    def restore_etcd(self, source):
        shutil.rmtree(self.folder / "etcd")
        shutil.copytree(source, self.folder / "etcd")
