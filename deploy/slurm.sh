#!/usr/bin/env bash
# One search on the nodes of a SLURM job: Ray starts on all of them, the search is driven from the first.
#   sbatch deploy/slurm.sh reviews.yaml
# Submit it again when the time was not enough: it goes on where it stopped.
#
# Tested as a document only. Activate the environment that has this package before `srun`: `ray` is called by name.
#SBATCH --job-name=autoprompt-search
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=04:00:00
# Two minutes before the end this script is told, and asks the search to stop, as with Ctrl-C.
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
set -euo pipefail

SPACE=${1:?"usage: sbatch deploy/slurm.sh SPACE.yaml"}
# On a file system that all nodes see: workers look predictions up there.
OUT=${AUTOPROMPT_OUT:-$SLURM_SUBMIT_DIR/reports/$(basename "$SPACE" .yaml)}

# One token for this job's nodes, for nobody else: other users of a node could otherwise run code in your name.
umask 077
export RAY_AUTH_MODE=token
export RAY_AUTH_TOKEN_PATH="$SLURM_SUBMIT_DIR/.ray-token-$SLURM_JOB_ID"
od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > "$RAY_AUTH_TOKEN_PATH"
trap 'rm -f "$RAY_AUTH_TOKEN_PATH"' EXIT

export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1
HEAD=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)  # `head` would break the pipe
PORT=$((20000 + SLURM_JOB_ID % 20000))

srun --nodes=1 --ntasks=1 --nodelist="$HEAD" \
  ray start --head --block --port="$PORT" --include-dashboard=false --disable-usage-stats &
for _ in $(seq 60); do
  ray health-check --address "$HEAD:$PORT" > /dev/null 2>&1 && break
  sleep 2
done
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then  # these join while the search already runs
  srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$HEAD" \
    ray start --block --address="$HEAD:$PORT" --disable-usage-stats &
fi

# 3 nodes x 1 GPU, two trials on each.
autoprompt-search run "$SPACE" --out "$OUT" \
  --set runner.type=ray --set "runner.address=$HEAD:$PORT" --set runner.concurrency=6 --set runner.gpus=0.5 &
SEARCH=$!
trap 'kill -TERM "$SEARCH"' USR1 TERM
CODE=0
wait "$SEARCH" || CODE=$?
# A signal ends `wait` before the search has ended.
while kill -0 "$SEARCH" 2> /dev/null; do CODE=0; wait "$SEARCH" || CODE=$?; done
exit "$CODE"
