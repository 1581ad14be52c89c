-- Streams of one origin: confirms, delivery, pruning, retirement, GONE, where one member may lie and one may lose its store.
-- What is modelled and what is not, and how to run it: README.md. N members, at most F of them liars, S streams of at most
-- C objects, L losses of the store; CAST says which member may be what,
-- PREFIX what has happened already. NO_<rule> leaves a rule out.

#ifndef PREFIX
#define PREFIX
#endif

const
  QUORUM: (N + F) / 2 + 1;

type
  Member: scalarset(N);
  Stream: 0 .. S - 1;
  Upto: 0 .. S;
  Count: 0 .. C;
  Run: 0 .. L;

  Words: record
    count: array[Stream] of Count;
    ending: array[Stream] of array[Count] of boolean; -- said: so many objects, all delivered and pruned, ENDED, FIRST
    over: Upto;                                       -- said: OVER for all streams below
    own: Stream;
  end;

  Local: record
    open: array[Stream] of boolean;    -- attested, durable, and not retired
    held: array[Stream] of Count;      -- stored, and so confirmed
    done: array[Stream] of Count;      -- delivered
    base: array[Stream] of Count;      -- pruned
    ending: array[Stream] of array[Count] of boolean;
    over: Upto;                        -- streams below are retired
    final: Count;                      -- of the newest retired one
    skipped: array[Stream] of boolean; -- by GONE
    known: Run;                        -- the latest run of the loser that it has heard from
  end;

  State: record
    m: array[Member] of Local;
    origin: Member;
    loser: Member;
    liar: Member;
    run: Run;
    former: array[Run] of Words; -- what the loser said in its earlier runs
    created: array[Stream] of Count;
    own: Stream;      -- the stream that the origin goes on with
    newest: Stream;   -- the last one that it has ever begun
    away: boolean;    -- its store is set aside
    aside: Local;
    asideOwn: Stream;
    early: array[Stream] of Count; -- what it claimed in this run before it said ENDED
    delivered: array[Stream] of Count; -- by any correct member
  end;

var
  g: State;

function Own(var g: State): Stream;
begin
  return g.own;
end;

function Lies(var g: State; j: Member): boolean;
begin
  return F > 0 & g.liar = j;
end;

function Ended(var g: State; i: Member; s: Stream): boolean;
begin
  if g.m[i].over > s then return true; end;
  for t: Stream do
    if t > s & g.m[i].open[t] then return true; end;
  end;
  return false;
end;

-- The word of j to i, in the run of j that i knows: does j hold object c of s? What was said may be heard at any time or never.
-- `calm`: the liar is silent; `all`: the loser is there.
function Claims(var g: State; i: Member; j: Member; s: Stream; c: Count; calm: boolean; all: boolean): boolean;
begin
  if Lies(g, j) then return !calm; end;
  if j = g.loser & calm & !all then return false; end;
#ifndef NO_R3
  -- R3: only if the entry itself carries ENDED.
  if j = g.origin & Ended(g, i, s) then
    if j = g.loser then
      if g.m[i].known < g.run then
        if g.former[g.m[i].known].own <= s then return false; end;
      elsif g.own <= s then return false;
      end;
    else
      return false;
    end;
  end;
#endif
  if j = g.loser & g.m[i].known < g.run then
    return g.former[g.m[i].known].count[s] > c;
  end;
  -- What it said in this run before it dropped the object (R10), to one that has not heard of the later stream.
  if j = g.origin & !calm & !Ended(g, i, s) & g.early[s] > c then return true; end;
  return g.m[j].held[s] > c;
end;

-- In any run.
function EverClaims(var g: State; i: Member; j: Member; s: Stream; c: Count; calm: boolean; all: boolean): boolean;
begin
  if j = g.loser & !(calm & !all) then
    for r: Run do
      if r < g.run & g.former[r].count[s] > c then return true; end;
    end;
  end;
  if Lies(g, j) then return !calm; end;
  if j = g.loser & calm & !all then return false; end;
  return g.m[j].held[s] > c;
end;

function SaidEnding(var g: State; i: Member; j: Member; s: Stream; c: Count): boolean;
begin
  if Lies(g, j) then return true; end;
#ifndef NO_R6
  if j = g.loser & g.m[i].known < g.run then
#else
  if j = g.loser & g.run > 0 then
   for r: Run do if r < g.run &  (g.former[r].ending[s][c] | g.former[r].over > s) then return true; end; end;
  end;
  if false then
#endif
    return g.former[g.m[i].known].ending[s][c] | g.former[g.m[i].known].over > s;
  end;
  return g.m[j].ending[s][c] | g.m[j].over > s;
end;

procedure Note(var g: State; i: Member);
begin
  for s: Stream do
    if g.m[i].open[s] & g.m[i].base[s] = g.m[i].held[s] &
#ifdef NO_ENDED
      true
#else
      Ended(g, i, s)
#endif
#ifndef NO_FIRST
      & (forall t: Stream do t < s -> !g.m[i].open[t] end)
#endif
    then
      g.m[i].ending[s][g.m[i].held[s]] := true;
    end;
  end;
end;

function MayTake(var g: State; i: Member; s: Stream; calm: boolean; all: boolean): boolean;
var n: 0 .. N;
begin
  if g.m[i].over > s | g.m[i].held[s] >= g.created[s] then return false; end;
#ifndef NO_R4
  if Ended(g, i, s) then
    n := 0;
    for j: Member do
      if j != i & Claims(g, i, j, s, g.m[i].held[s], calm, all) then n := n + 1; end;
    end;
    if n <= F then return false; end;
  end;
#endif
  return true;
end;

procedure Take(var g: State; i: Member; s: Stream);
begin
  g.m[i].open[s] := true;
  g.m[i].held[s] := g.m[i].held[s] + 1;
  Note(g, i);
end;

function MayDeliver(var g: State; i: Member; s: Stream; calm: boolean; all: boolean): boolean;
var n: 0 .. N;
begin
  if g.m[i].over > s | g.m[i].done[s] >= g.m[i].held[s] then return false; end;
  n := 0;
  for j: Member do
    if j = i | j = g.origin | EverClaims(g, i, j, s, g.m[i].done[s], calm, all) then n := n + 1; end;
  end;
  return n >= QUORUM;
end;

procedure Deliver(var g: State; i: Member; s: Stream);
begin
  g.m[i].done[s] := g.m[i].done[s] + 1;
  if g.m[i].done[s] > g.delivered[s] then g.delivered[s] := g.m[i].done[s]; end;
end;

function MayPrune(var g: State; i: Member; s: Stream; calm: boolean; all: boolean): boolean;
begin
  if g.m[i].over > s | g.m[i].base[s] >= g.m[i].done[s] then return false; end;
  return forall j: Member do
    j = i |
#ifdef NO_R5
    j = g.origin |
#endif
#ifdef NO_R6
    EverClaims(g, i, j, s, g.m[i].base[s], calm, all)
#else
    Claims(g, i, j, s, g.m[i].base[s], calm, all)
#endif
  end;
end;

-- does i, as far as it has heard, leave j without an object?
function Has(var g: State; i: Member; j: Member; s: Stream; c: Count): boolean;
begin
  return Lies(g, j) | (j = g.loser & g.m[i].known < g.run) | g.m[j].held[s] >= c | g.m[j].over > s;
end;

procedure Prune(var g: State; i: Member; s: Stream);
begin
  g.m[i].base[s] := g.m[i].base[s] + 1;
  Note(g, i);
end;

-- More than F others have retired it as i holds it, and nothing of an earlier one is held.
function AfterOthers(var g: State; i: Member; s: Stream): boolean;
var n: 0 .. N;
begin
  if g.m[i].held[s] = 0 | g.m[i].done[s] != g.m[i].held[s] then return false; end;
  if exists t: Stream do t < s & g.m[i].open[t] & g.m[i].held[t] > 0 end then return false; end;
  n := 0;
  for j: Member do
    if j != i & (Lies(g, j) | (g.m[j].over = s + 1 & g.m[j].final = g.m[i].held[s] & (j != g.loser | g.m[i].known = g.run))) then
      n := n + 1;
    end;
  end;
  return n > F;
end;

function MayRetire(var g: State; i: Member; s: Stream): boolean;
begin
  if g.m[i].over > s | !g.m[i].open[s] | !Ended(g, i, s) then return false; end;
#ifndef NO_AFTER
  if AfterOthers(g, i, s) then return true; end;
#endif
  if g.m[i].base[s] != g.m[i].held[s] then return false; end;
  if exists t: Stream do t < s & g.m[i].open[t] end then return false; end;
  return forall j: Member do j = i | SaidEnding(g, i, j, s, g.m[i].held[s]) end;
end;

procedure Retire(var g: State; i: Member; s: Stream);
begin
  for t: Stream do if t <= s then g.m[i].open[t] := false; end; end;
  g.m[i].over := s + 1;
  g.m[i].final := g.m[i].held[s];
  Note(g, i);
end;

-- R13: of an ended stream that is empty here nothing is kept.
function MayForget(var g: State; i: Member; s: Stream): boolean;
begin
#ifdef NO_R13
  return false;
#else
  return g.m[i].open[s] & Ended(g, i, s) & g.m[i].held[s] = 0;
#endif
end;

function MaySkip(var g: State; i: Member; s: Stream; c: Count; calm: boolean; all: boolean): boolean;
var n: 0 .. N; h: 0 .. N;
begin
  if g.m[i].over > s | c <= g.m[i].held[s] | g.m[i].done[s] < g.m[i].held[s] then return false; end;
  n := 0; h := 0;
  for j: Member do
    if j != i & (j != g.loser | !calm | all) then
      if Lies(g, j) then
        if !calm then n := n + 1; h := h + 1; end;
      else
        if (g.m[j].open[s] & g.m[j].base[s] = c) | (g.m[j].over = s + 1 & g.m[j].final = c) then n := n + 1; end;
        if g.m[j].held[s] >= c then h := h + 1; end;
        if calm & g.m[j].open[s] & g.m[j].base[s] <= g.m[i].held[s] & g.m[j].held[s] > g.m[i].held[s] then return false; end;
      end;
    end;
  end;
  return n > F & (h > F);
end;

procedure Skip(var g: State; i: Member; s: Stream; c: Count);
begin
  g.m[i].open[s] := true;
  g.m[i].held[s] := c;
  g.m[i].done[s] := c;
  g.m[i].base[s] := c;
  g.m[i].skipped[s] := true;
  Note(g, i);
end;

procedure Broadcast(var g: State; s: Stream);
begin
  g.created[s] := g.created[s] + 1;
  g.m[g.origin].held[s] := g.m[g.origin].held[s] + 1;
end;

procedure EndRun(var g: State);
var x: Member;
begin
  x := g.loser;
  for s: Stream do
    g.former[g.run].count[s] := g.m[x].held[s];
    for c: Count do g.former[g.run].ending[s][c] := g.m[x].ending[s][c]; end;
  end;
  g.former[g.run].over := g.m[x].over;
  g.former[g.run].own := g.own;
  g.run := g.run + 1;
  for s: Stream do g.early[s] := 0; end;
end;

procedure Lose(var g: State);
var x: Member;
begin
  x := g.loser;
  EndRun(g);
  for s: Stream do
    g.m[x].open[s] := false; g.m[x].held[s] := 0; g.m[x].done[s] := 0; g.m[x].base[s] := 0;
    g.m[x].skipped[s] := false;
    for c: Count do g.m[x].ending[s][c] := false; end;
  end;
  g.m[x].over := 0; g.m[x].final := 0;
  g.m[x].known := g.run;
  if x = g.origin then
    g.newest := g.newest + 1;
    g.own := g.newest;
    g.m[x].open[g.own] := true;
    Note(g, x);
  end;
end;

procedure SetAside(var g: State);
var a: Local;
begin
  a := g.m[g.loser];
  Lose(g);
  g.aside := a; g.asideOwn := 0; g.away := true;
end;

procedure BackToStore(var g: State);
var x: Member;
begin
  x := g.origin;
  EndRun(g);
  g.m[x] := g.aside;
  g.own := g.asideOwn;
  clear g.aside;
  g.asideOwn := 0;
  g.away := false;
  g.m[x].known := g.run;
  for s: Stream do for c: Count do g.m[x].ending[s][c] := false; end; end;
  Note(g, x);
end;

-- The origin has seen a later stream of its own, and begins a new one in place of `own`, of which it keeps the objects below k (R10: those that are delivered or that others claim to hold)
function MaySupersede(var g: State; k: Count): boolean;
var n: 0 .. N;
begin
  if !Ended(g, g.origin, g.own) | g.newest >= S - 1 then return false; end;
#ifdef NO_R10
  return k = g.m[g.origin].held[g.own];
#else
  if k < g.m[g.origin].done[g.own] | k > g.m[g.origin].held[g.own] then return false; end;
  for c: Count do
    if c >= g.m[g.origin].done[g.own] & c < k then
      n := 0;
      for j: Member do
        if j != g.origin & (Lies(g, j) | g.m[j].held[g.own] > c) then n := n + 1; end;
      end;
      if n <= F then return false; end;
    end;
  end;
  return true;
#endif
end;

procedure Supersede(var g: State; k: Count);
var x: Member;
begin
  x := g.origin;
  g.early[g.own] := g.m[x].held[g.own];
  g.m[x].held[g.own] := k;
  g.newest := g.newest + 1;
  g.own := g.newest;
  g.m[x].open[g.own] := true;
  Note(g, x);
end;

-- rounds of all that correct members do when nothing more goes wrong and the liar is silent
function Settles(var h: State; all: boolean): boolean;
var g: State; go: boolean;
begin
  g := h;
  for i: Member do g.m[i].known := g.run; end;
  go := true;
  while go do
    go := false;
    for i: Member do
      if !Lies(g, i) & (all | i != g.loser) then
        for s: Stream do
          if g.m[i].over <= s & !g.m[i].open[s] &
             ((g.m[g.origin].open[s] & s >= g.own & !Lies(g, g.origin) & (all | g.origin != g.loser)) |
              exists j: Member do !Lies(g, j) & (all | j != g.loser) & g.m[j].open[s] & g.m[j].base[s] < g.m[j].held[s] end) then
            g.m[i].open[s] := true; Note(g, i); go := true;
          end;
          if MayTake(g, i, s, true, all) &
             exists j: Member do j != i & !Lies(g, j) & (all | j != g.loser) & g.m[j].over <= s &
               g.m[j].base[s] <= g.m[i].held[s] & g.m[j].held[s] > g.m[i].held[s] end then
            Take(g, i, s); go := true;
          end;
          if MayDeliver(g, i, s, true, all) then Deliver(g, i, s); go := true; end;
          if MayPrune(g, i, s, true, all) then Prune(g, i, s); go := true; end;
          for c: Count do
            if MaySkip(g, i, s, c, true, all) then Skip(g, i, s, c); go := true; end;
          end;
          if MayForget(g, i, s) & (forall j: Member do Lies(g, j) | !(all | j != g.loser) | g.m[j].held[s] = 0 end) then
            g.m[i].open[s] := false; Note(g, i); go := true;
          end;
          if F = 0 & all & MayRetire(g, i, s) then Retire(g, i, s); go := true; end;
        end;
      end;
    end;
  end;
  for i: Member do
    if !Lies(g, i) then
      if i != g.loser | g.run = 0 then
        if all | i != g.loser then
          for s: Stream do
            if g.m[i].done[s] < g.delivered[s] then return false; end;
          end;
        end;
      elsif all then
        for s: Stream do
          if g.m[i].done[s] < g.delivered[s] & g.m[i].over <= s then return false; end;
        end;
      end;
      if all & !Lies(g, g.origin) then
        if g.m[i].done[Own(g)] < g.m[g.origin].held[Own(g)] then return false; end;
      end;
      if all then
        for s: Stream do if s < Own(g) & g.m[i].open[s] then return false; end; end;
      end;
    end;
  end;
  return true;
end;

ruleset o: Member; x: Member; z: Member do
  startstate "start"
  begin
    clear g;
    g.origin := o; g.loser := x; g.liar := z;
    g.m[o].open[0] := true;
    if CAST then PREFIX end;
  end;
end;

ruleset s: Stream do
  rule "broadcast" CAST & g.created[s] < C &
    (Lies(g, g.origin) | (s = g.own & !Ended(g, g.origin, s) & g.created[s] = g.m[g.origin].held[s]))
  ==> begin Broadcast(g, s); end;
end;

ruleset i: Member do
  rule "hear of the new run" i != g.loser & g.m[i].known < g.run ==> begin
    g.m[i].known := g.m[i].known + 1;
  end;
end;

ruleset i: Member; s: Stream do
  rule "attest" CAST & !Lies(g, i) & !g.m[i].open[s] & g.m[i].over <= s & (s <= g.newest | Lies(g, g.origin)) &
    (g.created[s] > 0 | g.origin != g.loser | (i != g.origin & g.m[i].known >= s) |
     (i = g.origin & (s < g.own | exists j: Member do g.m[j].open[s] & (!Lies(g, j)) end)))
#ifdef NO_R1
    | (F > 0 & !Lies(g, i) & !g.m[i].open[s] & g.m[i].over <= s)
#endif
  ==> begin
    g.m[i].open[s] := true; Note(g, i);
  end;
  rule "take" CAST & !Lies(g, i) & MayTake(g, i, s, false, true) ==> begin Take(g, i, s); end;
  rule "deliver" !Lies(g, i) & MayDeliver(g, i, s, false, true) ==> begin Deliver(g, i, s); end;
  rule "prune" !Lies(g, i) & MayPrune(g, i, s, false, true) ==> begin
    Prune(g, i, s);
    assert "what is pruned is held by all that are known to be back" forall j: Member do Has(g, i, j, s, g.m[i].base[s]) end;
  end;
  rule "forget" !Lies(g, i) & MayForget(g, i, s) ==> begin g.m[i].open[s] := false; Note(g, i); end;
  rule "retire" !Lies(g, i) & MayRetire(g, i, s) ==> begin
    Retire(g, i, s);
    assert "what is retired is held by all that are known to be back" forall j: Member do Has(g, i, j, s, g.m[i].held[s]) end;
  end;
end;

#ifdef OUST
ruleset i: Member; s: Stream do
  rule "oust" !Lies(g, i) & i != g.origin & Ended(g, i, s) & g.m[i].open[s] & g.m[i].done[s] = g.m[i].held[s] ==> begin Retire(g, i, s); end;
end;
#endif

ruleset i: Member; s: Stream; c: Count do
  rule "skip" !Lies(g, i) & MaySkip(g, i, s, c, false, true) ==> begin Skip(g, i, s, c); end;
end;

#ifdef NO_R2
ruleset i: Member do
  rule "crash" i != g.origin & !Lies(g, i) ==> begin
    for s: Stream do if g.m[i].held[s] = 0 then g.m[i].open[s] := false; end; end;
  end;
end;
#endif

#ifdef SWAP
rule "another run without the store" CAST & g.origin = g.loser & g.run = 0 & !Lies(g, g.loser) ==> 
begin SetAside(g); end;
rule "back to the store" g.away & g.run < L ==> begin BackToStore(g); end;
ruleset k: Count do
  rule "begin a later one" !Lies(g, g.origin) & MaySupersede(g, k) ==> begin Supersede(g, k); end;
end;
#define LOSS CAST & false
#else
#define LOSS CAST
#endif

rule "lose the store" LOSS & g.run < L & !Lies(g, g.loser) ==> begin Lose(g); end;

#define WITH_STORE(i) (!Lies(g, i) & (i != g.loser | g.run = 0))

invariant "nobody is kept from what a correct member delivered"
  forall i: Member do WITH_STORE(i) -> forall s: Stream do g.m[i].over > s -> g.m[i].done[s] >= g.delivered[s] end end;
invariant "nothing is pruned that a correct member with its store lacks"
  forall i: Member do WITH_STORE(i) -> forall j: Member do Lies(g, j) | forall s: Stream do g.m[j].base[s] <= g.m[i].held[s] | g.m[i].over > s end end end;
invariant "no live stream is retired"
  Lies(g, g.origin) | forall i: Member do Lies(g, i) | g.m[i].over <= g.newest end;
invariant "nobody with its store skips"
  forall i: Member do WITH_STORE(i) -> forall s: Stream do !g.m[i].skipped[s] end end;
#ifdef SETTLE
invariant "all settles without the one that failed" Settles(g, false);
invariant "all settles" Settles(g, true);
#endif
