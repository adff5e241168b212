#!/bin/sh
# The first program of a guest.  Root is the guest tree, read-only.  It puts a layer of memory over the tree, mounts
# the machine's Python and this code at the places they have on the machine, and goes on as guest_init.
# The kernel's command line gives: modules= (the kernel's), guest= (a directory with `mounts` and `start`).
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LIBMOUNT_FORCE_MOUNT2=always # hostfs takes its path as mount(2) hands it over

fail() {
    echo "stage1: $*"
    exit 1 # the kernel then panics, which ends the host
}

mount -n -t proc proc /proc || fail "no /proc"
mount -n -t tmpfs -o mode=755 tmpfs /mnt || fail "no memory to lay over the tree"
mkdir /mnt/upper /mnt/work /mnt/root /mnt/guest
mount -n -t hostfs -o "$guest" none /mnt/guest || fail "no configuration in $guest"
mount -n -t hostfs -r -o "$modules" none /lib/modules || fail "no modules in $modules"
insmod "/lib/modules/$(uname -r)/kernel/fs/overlayfs/overlay.ko" || fail "no overlay file system"
mount -n -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root || fail "no root"
while IFS= read -r path; do
    mkdir -p "/mnt/root$path" && mount -n -t hostfs -r -o "$path" none "/mnt/root$path" || fail "no $path"
done </mnt/guest/mounts
mkdir -p /mnt/root/backstay-guest
mount -n --move /mnt/guest /mnt/root/backstay-guest
for directory in /proc /dev /lib/modules; do
    mount -n --move "$directory" "/mnt/root$directory" || fail "cannot move $directory"
done
cd /mnt/root || fail "no root to go to"
exec switch_root /mnt/root /bin/sh /backstay-guest/start
