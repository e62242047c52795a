"""Addresses of a test cluster, and the wires between its namespaces.

    control plane's namespace: bridge `bed`, 10.123.0.1 and the API server's service address 10.96.0.1
    node N:                    eth0 on that bridge, 10.123.0.(10+N); default route to the bridge
    pods of node N:            10.124.N.0/24, a bridge of the CNI plugin's; routed, so nothing is translated

There is no kube-proxy: the only service address that answers is the API server's. Nothing here is in the
machine's own network."""

import socket

BRIDGE = "10.123.0.1"
SERVICE = "10.96.0.1"
SERVICES = "10.96.0.0/16"
DNS = "10.96.0.10"  # nobody is there
PORT = 443  # of the API server, at both addresses: the service's port is its own


def node_address(number):
    return f"10.123.0.{10 + number}"


def pod_subnet(number):
    return f"10.124.{number}.0/24"


def ip(namespaces, *lines):
    """Lines for ip(8), in the network of `namespaces`."""
    namespaces.run("ip", "-batch", "-", input="\n".join(lines) + "\n", network_only=True)


def forward(namespaces):
    namespaces.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward", network_only=True)


def set_up_control_plane(namespaces):
    ip(namespaces, "link set lo up", "link add bed type bridge", f"addr add {BRIDGE}/24 dev bed",
       f"addr add {SERVICE}/32 dev bed", "link set bed up")
    forward(namespaces)


def connect(control_plane, node, number):
    ip(control_plane, f"link add veth{number} type veth peer name eth0 netns {node.pid}",
       f"link set veth{number} master bed up", f"route add {pod_subnet(number)} via {node_address(number)}")
    ip(node, "link set lo up", f"addr add {node_address(number)}/24 dev eth0", "link set eth0 up",
       f"route add default via {BRIDGE}")
    forward(node)


def cni_config(number):
    """Of the bridge plugin: pods of this node, without address translation."""
    return f"""{{
  "cniVersion": "1.0.0",
  "name": "bed",
  "plugins": [{{
    "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
    "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "{pod_subnet(number)}"}}]],
              "routes": [{{"dst": "0.0.0.0/0"}}]}}
  }}]
}}
"""


def free_port():
    """A port on loopback that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
