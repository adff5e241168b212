"""A real Kubernetes control plane on loopback: etcd, kube-apiserver and kube-controller-manager as child processes.

For tests and for `backstay-sandbox up --api real`: role-based access control, admission with CEL, bound service account tokens and
namespace deletion are the real ones.  No kubelet and no scheduler: pods stay Pending.
"""
