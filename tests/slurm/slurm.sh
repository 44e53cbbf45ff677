# To be sourced: a Slurm of one node on this machine, for as long as the calling script lives.
#
# start_slurm FOLDER   starts munged, slurmctld and slurmd, and waits until the node is idle
# stop_slurm           ends them, and removes the two files that had to be in /etc/slurm
#
# Debian's packages: slurmctld slurmd slurm-client munge. Slurm's jobs look for their configuration
# in /etc/slurm whatever SLURM_CONF says; where there is one already, nothing is started.

start_slurm() {
    local folder=$1 name file memory
    [ "$(id -u)" = 0 ] || { echo "slurm.sh: to start a Slurm, be root" >&2; return 1; }
    for name in munged slurmctld slurmd sbatch; do
        PATH=$PATH:/usr/sbin command -v "$name" > /dev/null || {
            echo "slurm.sh: no $name; apt install slurmctld slurmd slurm-client munge" >&2
            return 1
        }
    done
    for file in slurm.conf cgroup.conf; do
        [ ! -e "/etc/slurm/$file" ] || {
            echo "slurm.sh: /etc/slurm/$file is there, and stays as it is; nothing is started" >&2
            return 1
        }
    done
    SLURM_FOLDER=$folder
    memory=$(free -m | awk '/^Mem/ {print int($2 * 0.9)}')
    mkdir -p "$folder"/{state,spool} /etc/slurm
    install -d -m 700 -o munge -g munge "$folder/munge"
    install -m 600 -o munge -g munge <(head -c 1024 /dev/urandom) "$folder/munge/key"
    cat > /etc/slurm/slurm.conf <<- END
	ClusterName=one
	SlurmctldHost=$(hostname -s)(127.0.0.1)
	SlurmUser=root
	AuthType=auth/munge
	AuthInfo=socket=$folder/socket/munge
	CredType=cred/munge
	StateSaveLocation=$folder/state
	SlurmdSpoolDir=$folder/spool
	SlurmctldPidFile=$folder/slurmctld.pid
	SlurmdPidFile=$folder/slurmd.pid
	SlurmctldLogFile=$folder/slurmctld.log
	SlurmdLogFile=$folder/slurmd.log
	ProctrackType=proctrack/linuxproc
	TaskPlugin=task/none
	SelectType=select/cons_tres
	SelectTypeParameters=CR_Core_Memory
	SchedulerParameters=bf_interval=5
	ReturnToService=2
	AccountingStorageType=accounting_storage/none
	JobAcctGatherType=jobacct_gather/none
	NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory
	PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
	END
    # Without systemd there is no cgroup/v2 to be had.
    echo "CgroupPlugin=cgroup/v1" > /etc/slurm/cgroup.conf
    install -d -m 755 -o munge -g munge "$folder/socket"
    runuser -u munge -- /usr/sbin/munged --socket="$folder/socket/munge" \
        --key-file="$folder/munge/key" --log-file="$folder/munge/log" \
        --pid-file="$folder/munge/pid" --seed-file="$folder/munge/seed"
    /usr/sbin/slurmctld -c
    /usr/sbin/slurmd
    for _ in $(seq 60); do
        [ "$(sinfo --noheader --format %t 2> /dev/null)" = idle ] && return
        sleep 1
    done
    echo "slurm.sh: the node is not idle after a minute; see $folder/*.log" >&2
    tail -n 5 "$folder"/*.log >&2
    return 1
}

stop_slurm() {
    [ -n "${SLURM_FOLDER:-}" ] || return 0
    local file pid folder=$SLURM_FOLDER
    scancel --partition main 2> /dev/null || true
    for file in "$folder"/slurmd.pid "$folder"/slurmctld.pid "$folder"/munge/pid; do
        [ -s "$file" ] || continue
        pid=$(cat "$file")
        kill "$pid" 2> /dev/null || continue
        for _ in $(seq 100); do # it saves its state; one that has ended may stay as a zombie
            grep -qs "^State:[[:space:]]*[^Z]" "/proc/$pid/status" || break
            sleep 0.1
        done
    done
    rm -f /etc/slurm/slurm.conf /etc/slurm/cgroup.conf
    SLURM_FOLDER=
}
