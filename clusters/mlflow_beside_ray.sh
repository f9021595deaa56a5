#!/usr/bin/env bash
# MLflow's server on the head of a cluster, for as long as Ray's head service answers there.
#
#     mlflow_beside_ray.sh 10.0.0.1:6379 FOLDER
#
# `ray down` ends Ray and nothing else: a server that was merely left running would keep its port, its memory and its
# database for ever. MLflow's database and Optuna's lie in FOLDER, on a disc of the head's own, since SQLite over NFS loses
# its locks. They are pictures of the store: where FOLDER is new, they are made from the records.
set -u
cluster=$1 folder=$2 port=${MLFLOW_PORT:-5000}
LOOK_EVERY_S=${LOOK_EVERY_S:-5} MAX_MISSED=3 # a Ray that is started again within a quarter of a minute keeps its MLflow

ray_answers() { (exec 3<>"/dev/tcp/${cluster%:*}/${cluster#*:}") 2>/dev/null; }
mlflow_answers() { curl -sf "http://127.0.0.1:$port/health" >/dev/null; }

mkdir -p "$folder"
exec 9>"$folder/lock"
flock -n 9 || exit 0 # one runs already, as after a second `ray up`
new=; [ -e "$folder/mlflow.db" ] || new=1
# Without job execution it takes a quarter of the memory. It answers on the head alone: `ray attach -p 5000`.
MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false setsid mlflow server --host 127.0.0.1 --port "$port" \
  --backend-store-uri "sqlite:///$folder/mlflow.db" --artifacts-destination "$folder/mlflow-artifacts" &
server=$!
trap 'kill -- -"$server" 2>/dev/null' EXIT

missed=0
while kill -0 "$server" 2>/dev/null && [ "$missed" -lt "$MAX_MISSED" ]; do
  if [ -n "$new" ] && mlflow_answers; then
    new=
    (cd "$(dirname "$0")/.." && python sweep.py --mirror) &
  fi
  sleep "$LOOK_EVERY_S"
  if ray_answers; then missed=0; else missed=$((missed + 1)); fi
done
