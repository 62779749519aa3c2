#!/bin/bash
# A Slurm of one node, this machine, without accounting: for the tests marked `slurm` and for trying PROFILE=slurm.
#
#   apt-get install slurm-wlm munge                   # Debian or Ubuntu; once, as root
#   tests/slurm/node.sh start [CPUS] [FOLDER]         # as root; CPUs that Slurm may give away, all by default
#   make run STUDY=cifar10_undersampling PROFILE=slurm
#   tests/slurm/node.sh stop [FOLDER]
#
# Everything that it writes, logs and state too, lies in FOLDER, but for munge's key and socket and the link
# /etc/slurm/slurm.conf, which lie where the system looks for them; a Slurm that is set up already is left alone.
# CPUs are counted, not bound, and memory is not enforced: no control groups are needed, so it runs in a container.
set -euo pipefail
command=${1:-}
case $command in
start) cpus=${2:-$(nproc)} folder=${3:-/tmp/slurm-of-one-node} ;;
stop) folder=${2:-/tmp/slurm-of-one-node} ;;
*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" && exit 2 ;;
esac

conf=/etc/slurm/slurm.conf # jobs look here: Snakemake hands SLURM_CONF on to none
if [ -e $conf ] && [ "$(readlink $conf)" != "$folder/slurm.conf" ]; then
  echo "$conf is there already, of another Slurm; nothing was done" >&2
  exit 1
fi

stop() {
  for daemon in slurmd slurmctld munged; do
    if [ -s "$folder/$daemon.pid" ]; then kill "$(cat "$folder/$daemon.pid")" 2>/dev/null || true; fi
    rm -f "$folder/$daemon.pid"
  done
  rm -f $conf
}

stop
[ "$command" = start ] || exit 0
mkdir -p "$folder"/{state,spool}
host=$(hostname -s)
cat >"$folder/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$host
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
MinJobAge=300
SchedulerParameters=sched_interval=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$(($(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1024))
PartitionName=all Nodes=$host Default=YES MaxTime=2-0 State=UP
CONF
if ! munge -n >/dev/null 2>&1; then
  [ -s /etc/munge/munge.key ] || { dd if=/dev/urandom bs=1 count=1024 of=/etc/munge/munge.key 2>/dev/null && chmod 400 /etc/munge/munge.key; }
  mkdir -p /run/munge /var/log/munge /var/lib/munge
  chown munge: /etc/munge/munge.key /run/munge /var/log/munge /var/lib/munge
  setpriv --reuid=munge --regid=munge --clear-groups munged
  cp /run/munge/munged.pid "$folder/munged.pid"
fi
mkdir -p ${conf%/*}
ln -s "$folder/slurm.conf" $conf
slurmctld
slurmd
for _ in $(seq 60); do
  if sinfo -h -t idle -o %T 2>/dev/null | grep -q idle; then
    sinfo && exit 0
  fi
  sleep 0.5
done
tail -n 5 "$folder"/*.log >&2
echo "the node did not come up within 30 s; its logs are in $folder" >&2
exit 1
