#!/usr/bin/env bash
# Runs the pipeline through a real Slurm of one node, kills it, resumes it, and compares all bytes
# with those of a local run. For Debian, as root; docs/cluster.md says more.
#
#     apt install slurmctld slurmd slurm-client munge
#     bash tests/slurm/one_node.sh [CONFIG]       a small configuration if none is given
#
# PYTHON is the Python to run with (.venv/bin/python). All that is started is ended, and all that is
# written is in a temporary folder, which stays if something fails; but for two files in /etc/slurm.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
python=$(realpath --no-symlinks "${PYTHON:-$root/.venv/bin/python}")
"$python" -c "import snakemake_executor_plugin_slurm" || exit 1

. "$root/tests/slurm/slurm.sh"
folder=$(mktemp -d /tmp/gamecircuits-slurm.XXXXXX)
chmod 755 "$folder" # munged is another user
begun=()
finish() {
    local status=$?
    [ -z "${begun[*]}" ] || kill -9 "${begun[@]}" 2> /dev/null || true
    stop_slurm
    if [ "$status" = 0 ]; then
        rm -rf "$folder"
    else
        rmdir "$folder" 2> /dev/null || echo "one_node.sh: FAILED; see $folder/*.log" >&2
    fi
}
trap finish EXIT
trap 'exit 1' INT TERM
start_slurm "$folder/slurm"

project=$folder/project
mkdir "$project"
cp -r "$root"/{Snakefile,src,workflow,profiles} "$project"
cd "$project"
if [ $# -gt 0 ]; then
    cp "$OLDPWD/$1" config.yaml
else
    cat > config.yaml <<- END
	games:
	  a: {kind: set_complement, vocab_size: 4, num_games: 30, games_per_shard: 20}
	  b: {kind: mnk, rows: 3, columns: 3, in_a_row: 3, num_games: 30}
	models:
	  m: {kind: balanced, vocab_size: 4}
	  u: {kind: untrained, vocab_size: 4}
	evaluations:
	  whole: {game: a, models: [m, u], contexts: all}
	claims: {vocab_sizes: [4], instances: 1}
	experiments:
	  e: {kind: parallel_resistors, vocab_size: 4, num_models: 1}
	  f: {kind: remedies, vocab_size: 5}
	END
fi
on_slurm=(--profile profiles/slurm --default-resources slurm_partition=main)

run() { # LOG ARGUMENTS: as run.py does
    PYTHONPATH=src "$python" -m gamecircuits.pipeline.run --configfile config.yaml "${@:2}" \
        > "$folder/$1.log" 2>&1
}
begin() { # LOG ARGUMENTS: in the background, where bash would have it ignore Ctrl-C
    PYTHONPATH=src env --default-signal=INT "$python" -m snakemake \
        --configfile config.yaml "${@:2}" > "$folder/$1.log" 2>&1 &
    begun+=($!)
    last=$!
}
killed() { # SIGNAL: to what was begun last
    kill "-$1" "$last"
    wait "$last" 2> /dev/null || true
}
content() { # FOLDER: the bytes of all results, as numbers
    (cd "$1" && find . -type f ! -path "./logs/*" ! -path "./.plan/*" ! -name .lock \
        -exec sha256sum {} + | sort -k 2)
}
same() { # WHAT: that the results are those of the local run
    diff <(content "$folder/local") <(content results) > "$folder/diff.log" || {
        echo "one_node.sh: results differ after: $1" >&2
        head "$folder/diff.log" >&2
        return 1
    }
    echo "ok: $1"
}
in_state() { squeue --noheader --states "$1" --format %i | wc -l; }
until_() { # SECONDS COMMAND: wait until it holds
    for _ in $(seq "$(($1 * 5))"); do
        ! "${@:2}" || return 0
        sleep 0.2
    done
    echo "one_node.sh: waited $1 s in vain for: ${*:2}" >&2
    return 1
}
some_are() { [ "$(in_state "$1")" -gt 0 ]; }
none_are() { [ "$(in_state "$1")" = 0 ]; }
slurm_is() { scontrol update PartitionName=main State="$1"; }

SECONDS=0
run local --cores all
cp -r results "$folder/local"
echo "ok: a local run, $SECONDS s"
rm -rf results .snakemake

SECONDS=0
run whole "${on_slurm[@]}"
same "a run on Slurm, $(grep -c "has been submitted with SLURM jobid" "$folder/whole.log") \
submissions, $SECONDS s"
grep -q "squeue says which jobs have ended" "$folder/whole.log"
echo "ok: it was seen that this Slurm has no accounting"
rm -rf results .snakemake

slurm_is DOWN
begin killed "${on_slurm[@]}"
until_ 120 some_are PENDING
killed KILL
run later --cores all
same "a run was killed while jobs were queued, and a later one finished"
slurm_is UP
until_ 120 none_are PENDING,RUNNING
same "the queued jobs of the killed run began, and changed nothing"
some_are FAILED
grep -rqs "the run of this job was killed, and a later one has begun" .snakemake/slurm_logs
echo "ok: they say why"
rm -rf results .snakemake

slurm_is DOWN
begin killed_again "${on_slurm[@]}"
until_ 120 some_are PENDING
killed KILL
slurm_is UP
until_ 300 none_are PENDING,RUNNING
[ "$(find results -name "*.parquet" | wc -l)" -gt 0 ]
echo "ok: jobs of a killed run do their work if no later one has begun"
run resumed "${on_slurm[@]}"
same "the same command finished what was killed"
rm -rf results .snakemake

begin killed_at_work "${on_slurm[@]}"
until_ 120 some_are RUNNING
until_ 120 test -e results/games/a/shard-00000.parquet
killed KILL
run waited --cores all
grep -q "Waiting for jobs in results that a killed run has left behind" "$folder/waited.log"
same "a later run waited for the jobs that a killed one had left at work"
until_ 120 none_are PENDING,RUNNING
same "these are at an end"
rm -rf results .snakemake

slurm_is DOWN
begin interrupted "${on_slurm[@]}"
until_ 120 some_are PENDING
killed INT
until_ 60 none_are PENDING,RUNNING
echo "ok: Ctrl-C takes the jobs out of the queue"
