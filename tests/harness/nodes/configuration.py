"""What containerd, the pod network and the kubelet of one node are told."""

from __future__ import annotations

from pathlib import Path

PAUSE_IMAGE = "localhost/pause:1"
CONTAINERD = """\
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp", "io.containerd.nri.v1.nri",
]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "{pause}"
[plugins.'io.containerd.cri.v1.runtime']
  enable_selinux = false
  disable_apparmor = true
  restrict_oom_score_adj = false
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = "runc"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        SystemdCgroup = false
        BinaryName = "{tree}/bin/runc"
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["{tree}/cni"]
    conf_dir = "/etc/cni/net.d"
"""
PODS = """\
{{"cniVersion": "1.0.0", "name": "pods", "plugins": [
 {{"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
  "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "{network}"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}}}]}}
"""
KUBELET = """\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: /etc/kubernetes/clients.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
failSwapOn: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
makeIPTablesUtilChains: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: "30Mi", nodefs.available: "0%", imagefs.available: "0%", nodefs.inodesFree: "0%"}
resolvConf: ""
"""


def pod_network(number: int) -> str:
    """Of the node with this number."""
    return f"10.244.{number}.0/24"


def node_files(*, tree: Path, number: int, kubeconfig: str, clients_authority: str) -> dict[str, str]:
    """Path on the node to content. ``clients_authority`` signs whom the kubelet answers (PEM)."""
    return {
        "/etc/containerd/config.toml": CONTAINERD.format(pause=PAUSE_IMAGE, tree=tree),
        "/etc/cni/net.d/10-pods.conflist": PODS.format(network=pod_network(number)),
        "/etc/kubernetes/kubelet.yaml": KUBELET,
        "/etc/kubernetes/kubeconfig": kubeconfig,
        "/etc/kubernetes/clients.crt": clients_authority,
    }
