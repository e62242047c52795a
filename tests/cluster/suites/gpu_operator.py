"""What NVIDIA's GPU operator renders: its DaemonSets, their accounts, and what it has done on the nodes before.

The operator itself is not served by any package registry: what it renders (v26.7, with
devicePlugin.config.name=device-plugin-config, devicePlugin.config.default=default, driver and toolkit not
managed by it) is made here field by field.
"""

import re

from suites.walk import CHART, SEED, apply

NAMESPACE = "gpu-operator"
CHART_VERSION = re.search(r"^appVersion: \"?([0-9.]+)", (CHART / "Chart.yaml").read_text(), re.M)[1]
PLUGIN, GFD = "nvidia-device-plugin-daemonset", "gpu-feature-discovery"
LABEL = "nvidia.com/device-plugin.config"

# What the operator's entrypoint does: wait for the driver, take its settings over, look for two modules,
# become the plugin.
ENTRYPOINT = """#!/bin/sh

until [ -f /run/nvidia/validations/driver-ready ]
do
  echo "waiting for the driver validations to be ready..."
  sleep 5
done
set -o allexport
cat /run/nvidia/validations/driver-ready
. /run/nvidia/validations/driver-ready
extra_modules="gdrdrv nvidia_fs"
> feature-flags.env
for module in $extra_modules; do
  if lsmod | grep -q "^$module "; then
    case $module in
      gdrdrv) [ -n "$GDRCOPY_ENABLED" ] || echo "GDRCOPY_ENABLED=true" >> feature-flags.env ;;
      nvidia_fs)
        [ -n "$GDS_ENABLED" ] || echo "GDS_ENABLED=true" >> feature-flags.env
        [ -n "$MOFED_ENABLED" ] || echo "MOFED_ENABLED=true" >> feature-flags.env ;;
    esac
  fi
done
if [ -s feature-flags.env ]; then
  echo "features found:"
  cat feature-flags.env
  . ./feature-flags.env
fi
echo "starting the device plugin"
exec nvidia-device-plugin"""
DRIVER_READY = """IS_HOST_DRIVER=false
NVIDIA_DRIVER_ROOT=/run/nvidia/driver
DRIVER_ROOT_CTR_PATH=/driver-root
NVIDIA_DEV_ROOT=/run/nvidia/driver
DEV_ROOT_CTR_PATH=/driver-root
"""


def variables(**values):
    return [{"name": name, "value": value} for name, value in values.items()]


def field(name, path):
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def host(name, path, kind=""):
    return {"name": name, "hostPath": {"path": path, "type": kind}}


def mount(name, path, **more):
    return {"name": name, "mountPath": path, **more}


PROPAGATED = {"mountPropagation": "HostToContainer"}
PRIVILEGED = {"privileged": True}
CONFIG_MOUNTS = [mount("device-plugin-config", "/available-configs"), mount("config", "/config")]
CONFIG_VOLUMES = [{"name": "device-plugin-config", "configMap": {"name": "device-plugin-config"}},
                  {"name": "config", "emptyDir": {}}]


def config_manager(image, name, process, **values):
    env = variables(ONESHOT="false", KUBECONFIG="", NODE_LABEL=LABEL, CONFIG_FILE_SRCDIR="/available-configs",
                    CONFIG_FILE_DST="/config/config.yaml", DEFAULT_CONFIG="default", FALLBACK_STRATEGIES="empty",
                    SEND_SIGNAL="true", SIGNAL="1", PROCESS_TO_SIGNAL=process)
    env = [entry for entry in env if entry["name"] not in values] + variables(**values)
    return {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", "command": ["config-manager"],
            "env": [field("NODE_NAME", "spec.nodeName"), *env], "volumeMounts": CONFIG_MOUNTS}


def daemonset(name, image, account, main, volumes):
    waits = "until [ -f /run/nvidia/validations/toolkit-ready ]; do echo waiting for the toolkit; sleep 5; done"
    validation = {"name": "toolkit-validation", "image": image, "command": ["sh", "-c"], "args": [waits],
                  "securityContext": PRIVILEGED,
                  "volumeMounts": [mount("run-nvidia-validations", "/run/nvidia/validations", **PROPAGATED)]}
    init = config_manager(image, "config-manager-init", "", ONESHOT="true", SEND_SIGNAL="false", SIGNAL="",
                          PROCESS_TO_SIGNAL="")
    process = "nvidia-device-plugin" if name == PLUGIN else "gpu-feature-discovery"
    sidecar = {**config_manager(image, "config-manager", process), "securityContext": PRIVILEGED}
    spec = {"serviceAccountName": account, "priorityClassName": "system-node-critical", "runtimeClassName": "nvidia",
            "shareProcessNamespace": True,
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "nodeSelector": {f"nvidia.com/gpu.deploy.{'device-plugin' if name == PLUGIN else name}": "true"},
            "initContainers": [validation, init], "containers": [main, sidecar],
            "volumes": [*volumes, *CONFIG_VOLUMES]}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"selector": {"matchLabels": {"app": name}},
                     "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
                     "template": {"metadata": {"labels": {"app": name}}, "spec": spec}}}


def plugin(image):
    env = variables(PASS_DEVICE_SPECS="true", FAIL_ON_INIT_ERROR="true", DEVICE_LIST_STRATEGY="cdi-annotations,cdi-cri",
                    DEVICE_ID_STRATEGY="uuid", NVIDIA_VISIBLE_DEVICES="all", NVIDIA_DRIVER_CAPABILITIES="all",
                    MPS_ROOT="/run/nvidia/mps", MIG_STRATEGY="single", NVIDIA_MIG_MONITOR_DEVICES="all",
                    CDI_ENABLED="true", CDI_ANNOTATION_PREFIX="cdi.k8s.io/", CONFIG_FILE="/config/config.yaml")
    main = {"name": "nvidia-device-plugin", "image": image, "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-c"], "args": ["/bin/entrypoint.sh"], "env": env, "securityContext": PRIVILEGED,
            "volumeMounts": [mount("nvidia-device-plugin-entrypoint", "/bin/entrypoint.sh", readOnly=True,
                                   subPath="entrypoint.sh"),
                             mount("device-plugin", "/var/lib/kubelet/device-plugins"),
                             mount("run-nvidia-validations", "/run/nvidia/validations"),
                             mount("driver-install-dir", "/driver-root", **PROPAGATED),
                             mount("host-root", "/host", readOnly=True, **PROPAGATED),
                             mount("cdi-root", "/var/run/cdi"), mount("mps-root", "/mps"), mount("mps-shm", "/dev/shm"),
                             *CONFIG_MOUNTS]}
    volumes = [{"name": "nvidia-device-plugin-entrypoint",
                "configMap": {"name": "nvidia-device-plugin-entrypoint", "defaultMode": 0o700}},
               host("device-plugin", "/var/lib/kubelet/device-plugins"),
               host("run-nvidia-validations", "/run/nvidia/validations", "DirectoryOrCreate"),
               host("driver-install-dir", "/run/nvidia/driver", "DirectoryOrCreate"), host("host-root", "/"),
               host("cdi-root", "/var/run/cdi", "DirectoryOrCreate"),
               host("mps-root", "/run/nvidia/mps", "DirectoryOrCreate"),
               host("mps-shm", "/run/nvidia/mps/shm", "DirectoryOrCreate")]
    return daemonset(PLUGIN, image, "nvidia-device-plugin", main, volumes)


def discovery(image):
    env = [*variables(GFD_SLEEP_INTERVAL="60s", GFD_FAIL_ON_INIT_ERROR="true", MIG_STRATEGY="single",
                      NVIDIA_MIG_MONITOR_DEVICES="all", CONFIG_FILE="/config/config.yaml"),
           field("NAMESPACE", "metadata.namespace"), field("NODE_NAME", "spec.nodeName"),
           field("POD_NAME", "metadata.name")]
    main = {"name": GFD, "image": image, "imagePullPolicy": "IfNotPresent", "command": ["gpu-feature-discovery"],
            "env": env, "securityContext": PRIVILEGED,
            "volumeMounts": [mount("output-dir", "/etc/kubernetes/node-feature-discovery/features.d"),
                             mount("host-sys", "/sys"), *CONFIG_MOUNTS]}
    volumes = [host("output-dir", "/etc/kubernetes/node-feature-discovery/features.d", "DirectoryOrCreate"),
               host("host-sys", "/sys", "Directory"), host("run-nvidia", "/run/nvidia", "Directory"),
               host("run-nvidia-validations", "/run/nvidia/validations", "DirectoryOrCreate")]
    return daemonset(GFD, image, "nvidia-gpu-feature-discovery", main, volumes)


def accounts():
    """The rights the operator gives: nodes to read for config-manager; for GFD the NodeFeatures of its namespace."""
    nodes = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]}
    features = [{"apiGroups": ["nfd.k8s-sigs.io"], "resources": ["nodefeatures"],
                 "verbs": ["get", "list", "watch", "create", "update"]},
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    made = []
    for name, more in (("nvidia-device-plugin", []), ("nvidia-gpu-feature-discovery", features)):
        subject = [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]
        group = "rbac.authorization.k8s.io"
        made += [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}},
                 {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": [nodes]},
                 {"apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
                  "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name}, "subjects": subject}]
        if more:
            scope = {"name": name, "namespace": NAMESPACE}
            made += [{"apiVersion": f"{group}/v1", "kind": "Role", "metadata": scope, "rules": more},
                     {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": scope,
                      "roleRef": {"apiGroup": group, "kind": "Role", "name": name}, "subjects": subject}]
    return made


def set_up(walk):
    """What the operator and its other operands have done by then: accounts, gate files, labels, the entrypoint."""
    cluster = walk.cluster
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.apply((SEED / "01-configmap.yaml").read_text())
    script = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"entrypoint.sh": ENTRYPOINT},
              "metadata": {"name": "nvidia-device-plugin-entrypoint", "namespace": NAMESPACE}}
    apply(walk, script, *accounts())
    for name in cluster.nodes:
        gate = f"mkdir -p /run/nvidia/validations && cd /run/nvidia/validations && printf '%s' '{DRIVER_READY}' >driver-ready"
        cluster.nodes[name].run("sh", "-c", gate + " && touch toolkit-ready")
        cluster.kubectl("label", "node", name, "nvidia.com/gpu.deploy.device-plugin=true",
                        f"nvidia.com/gpu.deploy.{GFD}=true")
    # A node that is labelled before its pod is made: the init container must not take the default.
    cluster.kubectl("label", "node", "dev-gpu-node", f"{LABEL}=dev")
