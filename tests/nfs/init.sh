#!/bin/sh
# The first process of the machine: an NFS server and two clients, each with a network and a name of its own.
# Then it runs the tests. The root folder is that of the host, read-only; FOLDER/out can be written.
mount -t proc proc /proc
for word in $(cat /proc/cmdline); do
	case $word in funes=*) . "${word#funes=}" ;; esac
done
root=$FOLDER/root
export PATH="$root/usr/sbin:$root/usr/bin:$root/sbin:$root/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu"
export HOME=/run TMPDIR=/run LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1

end() {
	echo "$1" >"$FOLDER/out/status"
	echo o >/proc/sysrq-trigger
	sleep 60
}
check() {
	"$@" || {
		echo "failed: $*"
		dmesg | tail -30
		end 1
	}
}
# Runs a command on one of the hosts.
on() {
	pid=$1
	shift
	nsenter --target "$pid" --net --mount --uts "$@"
}
# Starts a host: a process that keeps its namespaces. Prints its process id.
start_host() {
	unshare --net --mount --uts sh -c "hostname $1; ip link set lo up; mount -t tmpfs tmpfs /run
		mount -t tmpfs tmpfs /var/lib; mkdir -p /var/lib/nfs/sm /var/lib/nfs/sm.bak /var/lib/nfs/v4recovery
		touch /var/lib/nfs/etab /var/lib/nfs/rmtab; exec sleep infinity" >/dev/null &
	echo $!
}

check mount -t hostfs -o "$FOLDER/out" none "$FOLDER/out"
mount -t sysfs sysfs /sys
mkdir -p /dev/shm
for each in /dev/shm /run /mnt; do check mount -t tmpfs tmpfs $each; done
cp -a /etc /run/etc 2>/dev/null
cp "$root/etc/netconfig" /run/etc/
echo '_rpc:x:65533:65534::/run:/usr/sbin/nologin' >>/run/etc/passwd
check mount --bind /run/etc /etc
check mount -t tmpfs tmpfs /var/lib
mkdir -p /var/lib/nfs/v4recovery
# Locks of version 3 are granted one second after the server has started.
check "$MODULES/modprobe" -d "$MODULES" lockd nlm_grace_period=1
for each in nfsd nfsv3 nfsv4 veth bridge; do check "$MODULES/modprobe" -d "$MODULES" $each; done
mkdir /mnt/export /mnt/v3 /mnt/v4
check mount -t ext4 /dev/ubda /mnt/export

ip link add bridge type bridge
ip link set bridge up
number=0
for name in server one two; do
	number=$((number + 1))
	host=$(start_host $name)
	eval "$name=$host"
	while [ "$(on "$host" hostname)" != $name ]; do sleep 0.1; done
	check ip link add "$name" type veth peer name net netns "$host"
	check ip link set "$name" master bridge up
	check on "$host" ip addr add 10.0.0.$number/24 dev net
	check on "$host" ip link set net up
done

check on "$server" mount -t nfsd nfsd /proc/fs/nfsd
for each in nfsv4leasetime nfsv4gracetime; do on "$server" sh -c "echo 10 >/proc/fs/nfsd/$each"; done
check on "$server" rpcbind -w
check on "$server" rpc.statd --no-notify
check on "$server" exportfs -i -o rw,no_root_squash,sync,no_subtree_check,fsid=0,insecure '*:/mnt/export'
check on "$server" rpc.nfsd 8
check on "$server" rpc.mountd
on "$server" sh -c 'echo Y >/proc/fs/nfsd/v4_end_grace'

number=1
for host in $one $two; do
	number=$((number + 1))
	check on "$host" rpcbind -w
	check on "$host" rpc.statd --no-notify
	check on "$host" mount -i -t nfs4 10.0.0.1:/ /mnt/v4 -o addr=10.0.0.1,vers=4.2,clientaddr=10.0.0.$number
	check on "$host" mount -i -t nfs 10.0.0.1:/mnt/export /mnt/v3 \
		-o addr=10.0.0.1,vers=3,mountaddr=10.0.0.1,mountvers=3,mountproto=tcp,proto=tcp,port=2049
done
echo "up after $(cut -d' ' -f1 /proc/uptime) s"
export NFS_HOSTS="$one $two"
eval "set -- $ARGUMENTS"
"$PYTHON" -m pytest -p no:cacheprovider -c /dev/null --rootdir "${CASES%/*}" "$@" "$CASES"
end $?
