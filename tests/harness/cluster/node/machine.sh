#!/bin/sh
# The first process of a node's machine: containerd, the images and the kubelet, in mount and process namespaces of
# their own. Whatever runs on the node ends when this does, and its mounts end with it.
# usage: machine.sh FOLDER CGROUP IMAGES KUBELET NAME
set -e
folder=$1
cgroup=$2
images=$3
kubelet=$4
name=$5
trap 'exit 0' TERM
export PATH="$PATH:/usr/sbin:/sbin"
socket=/run/containerd.sock

# What the programs write to fixed places stays in here.
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mkdir -p /var/lib/cni
mount -t tmpfs tmpfs /var/lib/cni

# The kubelet sets these for the whole machine; it gets copies.
for parameter in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys \
    kernel/keys/root_maxbytes; do
    [ -e "/proc/sys/$parameter" ] || continue
    copy=$folder/$(echo "$parameter" | tr / .)
    cat "/proc/sys/$parameter" >"$copy"
    mount --bind "$copy" "/proc/sys/$parameter"
done

# With one hierarchy (version 2) a group has only the controllers that its parent hands down.
if [ -e /sys/fs/cgroup/cgroup.subtree_control ]; then
    for controller in cpu cpuset memory pids; do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || true
    done
    mkdir "/sys/fs/cgroup/$cgroup"
else
    for hierarchy in /sys/fs/cgroup/*/; do
        mkdir "$hierarchy$cgroup" 2>/dev/null || true
    done
fi

containerd --config "$folder/containerd.toml" --log-level warn &
until ctr --address "$socket" version >/dev/null 2>&1; do
    kill -0 $!
    sleep 0.1
done
"$kubelet" --config="$folder/kubelet.yaml" --kubeconfig="$folder/kubeconfig" --root-dir="$folder/kubelet" \
    --cert-dir="$folder/pki" --hostname-override="$name" &
kubelet_pid=$!
ctr --address "$socket" --namespace k8s.io images import "$images"
echo "images are there"
wait $kubelet_pid
