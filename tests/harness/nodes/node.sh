#!/bin/sh
# A service of a guest's process 1, which starts it again when it ends: `backstay-node containerd|kubelet`.
# TREE holds containerd and the rest, PROGRAMS kubelet; both are seen where they lie on the machine.
export PATH="$TREE/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root
set -eu

lay_out() {
    mount --make-rshared /
    mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
    for module in veth bridge br_netfilter overlay dummy ip_vs_rr; do modprobe -q "$module"; done
    # What survives a power cut: images, containers, pods' volumes and logs.
    mkdir -p /data && mount /dev/ubdc /data
    for directory in lib/containerd lib/kubelet log/pods log/containers; do
        mkdir -p "/data/$directory" "/var/$directory" && mount --bind "/data/$directory" "/var/$directory"
    done
    # The kubelet's machine information wants a clock rate, which this kernel does not tell.
    { grep -v '^$' /proc/cpuinfo; printf 'cpu MHz\t\t: 2000.000\n\n'; } >/run/cpuinfo
    mount --bind /run/cpuinfo /proc/cpuinfo
    [ -s /etc/machine-id ] || echo "$MACHINE_ID" >/etc/machine-id
    sysctl -qw net.ipv4.ip_forward=1 vm.overcommit_memory=1 kernel.panic=10 kernel.panic_on_oops=1
    echo "$ROUTES" | while read -r network gateway; do [ -z "$network" ] || ip route replace "$network" via "$gateway"; done
    # The API's service without kube-proxy: this kernel has neither iptables nor nftables for IPv4, but it has IPVS.
    ip link add kube-ipvs0 type dummy
    ip addr add "$API_SERVICE/32" dev kube-ipvs0
    ip route replace local "$API_SERVICE" dev kube-ipvs0 table local src "$NODE_IP"
    LD_LIBRARY_PATH="$TREE/lib" ipvsadm -A -t "$API_SERVICE:443" -s rr
    LD_LIBRARY_PATH="$TREE/lib" ipvsadm -a -t "$API_SERVICE:443" -r "$API_SERVER" -m
    touch /run/laid-out
}

case $1 in
containerd)
    [ -e /run/laid-out ] || lay_out
    rm -f /run/containerd/containerd.sock
    exec containerd --config /etc/containerd/config.toml
    ;;
kubelet)
    for _ in $(seq 600); do
        [ -S /run/containerd/containerd.sock ] && break
        sleep 0.1
    done
    exec "$PROGRAMS" kubelet --config=/etc/kubernetes/kubelet.yaml --kubeconfig=/etc/kubernetes/kubeconfig \
        --hostname-override="$(hostname)" --node-ip="$NODE_IP" --v="${VERBOSITY:-1}"
    ;;
esac
