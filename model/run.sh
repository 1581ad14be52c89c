#!/usr/bin/env bash
# Checks the models: all rules hold, and each rule left out lets something go wrong. See README.md.
# usage: model/run.sh [--full]     Ends with 0 if every line says PASS, or if there is no checker and none can be had.
set -uo pipefail
cd "$(dirname "$0")"

if ! command -v rumur >/dev/null && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends rumur cpp gcc libc6-dev; } >/dev/null 2>&1
fi
for tool in rumur cpp gcc; do
  command -v "$tool" >/dev/null || { echo "SKIPPED: no $tool here, and it could not be installed (Debian package: $tool)"; exit 0; }
done

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# How rumur names what does not hold.
CLAIM='invariant .* failed|assertion .*fail|fail.*assert|: what is '

# [MODEL=file] holds|fails name optimisation switches...: says in one line whether that is so
check() {
  local expected=$1 name=$2 level=$3 started=$SECONDS result=fails detail
  shift 3
  local base=$dir/${name//[^A-Za-z0-9]/_}
  cpp -x assembler-with-cpp -P -w "${@//$'\n'/ }" "${MODEL:-streams.m}" >"$base.m" &&
    rumur --pack-state off --deadlock-detection off --symmetry-reduction heuristic --threads 1 -o "$base.c" "$base.m" >"$base.log" 2>&1 &&
    gcc "$level" -mcx16 -w -o "$base" "$base.c" -lpthread 2>>"$base.log" || { result='not built'; tail -5 "$base.log"; }
  if [ "$result" != 'not built' ]; then
    timeout "${LIMIT:-1800}" stdbuf -oL "$base" >"$base.out" 2>&1
    case $? in 0) result=holds ;; 124) result='out of time' ;; esac
    # An error of the checker itself is no counterexample.
    [ "$result" = fails ] && ! grep -qiE "$CLAIM" "$base.out" && result='no verdict'
  fi
  detail=$(grep -oE '[0-9]+ states, [0-9]+ rules fired' "$base.out" 2>/dev/null | tail -1)
  [ "$expected" = fails ] && detail+=", $(grep -m1 -iE "$CLAIM" "$base.out" 2>/dev/null | sed -E 's/^\s*(Assertion failed: [^ ]+ )?//')"
  if [ "$result" = "$expected" ]; then
    echo "PASS  $name: $result, as it should ($detail; $((SECONDS - started)) s)"
  else
    echo "FAIL  $name: expected that it $expected, but: $result ($detail)"
    grep -E '^(Rule|Startstate)' "$base.out" 2>/dev/null | sed 's/^/      /'
    touch "$dir/failed"
  fi
}

# n = 3, no liar, the origin loses its store; the same with another store in between; n = 4, one liar.
THREE=(-DN=3 -DF=0 -DS=2 -DC=1 -DL=1 '-DCAST=(g.loser = g.origin & g.liar = g.origin)')
ANY=(-DN=3 -DF=0 -DS=2 -DC=1 -DL=1 '-DCAST=(g.liar = g.origin)')
TWICE=(-DN=3 -DF=0 -DS=3 -DC=1 -DL=2 '-DCAST=(g.loser = g.origin & g.liar = g.origin)')
SWAP=("${TWICE[@]}" -DSWAP)
LIAR=(-DN=4 -DF=1 -DS=2 -DC=2 -DL=0 '-DCAST=(g.loser = g.origin & g.liar != g.origin)')
LYING_ORIGIN=(-DN=4 -DF=1 -DS=2 -DC=1 -DL=0 '-DCAST=(g.loser = g.origin & g.liar = g.origin)')

# As many at once as there are processors.
run() {
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
  check "$@" &
}

# These two would take long from the start: one other member holds an object of a lost store, and all have heard of two later ones;
run fails 'without FIRST in R7' -O0 "${TWICE[@]/g.liar = g.origin/g.liar != g.origin}" -DNO_FIRST \
  '-DPREFIX=Broadcast(g, 0); Take(g, z, 0); Lose(g); Lose(g);
    for i: Member do if i != o then g.m[i].known := 2; for s: Stream do g.m[i].open[s] := s > 0 | i = z; end; Note(g, i); end; end;'
# the origin has its first store again, and all have heard of the other.
run fails 'without R10 (drop, then begin)' -O0 "${SWAP[@]/g.liar = g.origin/g.liar != g.origin}" -DNO_R10 \
  '-DPREFIX=SetAside(g); g.m[o].open[0] := true; Note(g, o); BackToStore(g); Broadcast(g, 0);
    for i: Member do g.m[i].known := 2; for s: Stream do g.m[i].open[s] := s < 2; end; Note(g, i); end; g.m[z].known := 1;'
run holds 'the origin loses its store' -O1 "${THREE[@]}" -DSETTLE
run holds 'one of four lies' -O0 "${LIAR[@]}" -DSETTLE
run holds 'the origin lies' -O0 "${LYING_ORIGIN[@]}" -DSETTLE
run fails 'without R1 (streams on any word)' -O0 "${LIAR[@]}" -DNO_R1
run fails 'without R2 (durable)' -O0 "${ANY[@]}" -DNO_R2
run fails 'without R3 (words with ENDED)' -O0 "${ANY[@]}" -DNO_R3
run fails 'without R4 (closed)' -O0 "${ANY[@]}" -DNO_R4
run fails 'without R5 (stable with the origin)' -O0 "${ANY[@]}" -DNO_R5
run fails 'without R6 (present run)' -O0 "${ANY[@]}" -DNO_R6
run fails 'without ENDED in R7' -O0 "${ANY[@]}" -DNO_ENDED
run fails 'without R13 (forget what is empty)' -O0 "${THREE[@]}" -DSETTLE -DNO_R13
run fails 'with streams ended by quota' -O0 "${LYING_ORIGIN[@]}" -DSETTLE -DOUST
# A change of members (epochs.m): abc becomes abd, abcd, or is what is left of it. The same with a liar (liar.m).
REPLACE=(-DSCENE=REPLACE -DE=1 -DM=1 '-DCAST=g.joiner != g.leaver & g.loser = g.joiner')
OLD_ORIGIN=(-DSCENE=REPLACE -DE=1 -DM=1 '-DCAST=g.joiner != g.leaver & g.loser = g.joiner & g.origin = g.leaver')
GROW=(-DSCENE=GROW -DE=2 -DM=1 -DHELD -DONE_BY_ONE '-DCAST=g.joiner != g.leaver & g.loser = g.joiner & g.origin = g.leaver')
epochs() { MODEL=epochs.m run "$@"; }
liar() { MODEL=liar.m run "$@"; }
liar holds 'a member is added, and the origin lies' -O1 -DSCENE=ADD
liar holds 'a member is removed, and the origin lies' -O1 -DSCENE=REMOVE
liar fails 'a member is replaced at once, and the origin lies' -O0 -DSCENE=REPLACE
liar fails 'the same, with both quorums for each object' -O0 -DSCENE=REPLACE -DJOINT
epochs holds 'a member is replaced, nothing is pruned' -O1 "${OLD_ORIGIN[@]}" -DNO_PRUNING
epochs fails 'without C2 (words have an epoch)' -O0 "${REPLACE[@]}" -DNO_C2
epochs fails 'without C4 (hand-over)' -O0 "${REPLACE[@]}" -DNO_C4
epochs fails 'without C5 (what one that joins must hold)' -O0 "${GROW[@]}" -DNO_START
epochs fails 'without C6 (follow)' -O0 "${REPLACE[@]}" -DNO_C6
epochs fails 'old members go once one is active (C8)' -O0 "${REPLACE[@]}" -DOFF_AT_ONE
if [ "${1:-}" = --full ]; then
  run holds 'any member loses its store' -O2 "${ANY[@]}"
  run holds 'the origin loses its store twice' -O2 "${TWICE[@]}"
  run holds 'another store in between' -O2 "${SWAP[@]}"
  run holds 'one of four lies, the origin loses its store' -O2 -DN=4 -DF=1 -DS=2 -DC=1 -DL=1 '-DCAST=(g.loser = g.origin & g.liar != g.origin)'
  epochs holds 'a member is replaced' -O2 "${REPLACE[@]}"
  epochs holds 'a member is added' -O2 -DSCENE=GROW -DE=1 -DM=1 '-DCAST=g.joiner = g.leaver & g.loser = g.joiner'
  epochs holds 'a member is removed' -O2 -DSCENE=SHRINK -DE=1 -DM=1 '-DCAST=g.joiner = g.leaver & g.loser = g.joiner'
  epochs holds 'one is added, and then another removed' -O2 "${GROW[@]}"
  epochs fails 'without C1 (seals)' -O1 "${REPLACE[@]}" -DNO_C1
  epochs fails 'without C5 (where one that joins begins)' -O1 "${OLD_ORIGIN[@]}" -DM=2 -DNO_BEGIN
  epochs fails 'without C7 (prune in the epoch)' -O1 "${REPLACE[@]}" -DNO_C7
  epochs fails 'without C9 (one after another)' -O0 "${REPLACE[@]/REPLACE/GROW}" -DE=2 -DNO_C9
  epochs fails 'without C10 (one key, one store)' -O1 -DSCENE=REPLACE -DE=1 -DM=1 -DNO_C10 \
    '-DCAST=g.joiner != g.leaver & g.origin = g.leaver & g.loser != g.joiner & g.loser != g.leaver'
  epochs fails 'old members go with the descriptor (C8)' -O0 "${REPLACE[@]}" -DOFF_AT_ONCE
fi
wait
[ ! -e "$dir/failed" ]
