-- A group whose members change, f = 0: seals, hand-over, who may deliver and prune by whose words, when a removed member may go.
-- The rules are those of docs/EPOCHS.md, by their names there; what is modelled and what is not: README.md. Four members, of which SCENE says
-- who is in which epoch; M objects of one origin; at most K members of each epoch in force stop for good. NO_<rule> leaves a rule out.

#define GROW 0      /* abc, abcd, and with E = 2 abd */
#define REPLACE 1   /* abc, abd */
#define SHRINK 2    /* abcd, abd */
#define RETURN 3    /* abc, abcd, abc: who has joined is removed again */

const
  N: 4;
  K: 1;
  NEVER: E + 1;

type
  Member: scalarset(N);
  Epoch: 0 .. E;
  When: 0 .. E + 1; -- how many certificates the member had then; NEVER
  Object: 0 .. M - 1;

  Words: record
    certs: Epoch;                  -- it has the certificates of all epochs up to this one, and has sealed all before
    active: Epoch;                 -- the newest epoch whose hand-over it knows to be complete
    held: array[Object] of When;   -- stored, and so confirmed from then on
    gone: array[Object] of When;   -- pruned
    start: array[Object] of boolean; -- named by all seals by which it became active: who joins must hold it
  end;

  State: record
    m: array[Member] of Words;
    done: array[Member] of array[Object] of boolean;    -- delivered
    skipped: array[Member] of array[Object] of boolean; -- below where it joined
    down: array[Member] of boolean;                     -- stopped for good
    joiner: Member;
    leaver: Member;
    origin: Member;
    loser: Member;
#ifdef NO_C10
    lost: boolean;                 -- the loser has begun again, with an empty store and its old key
    former: Words;                 -- what it said until then
#endif
    created: array[Object] of boolean;
    delivered: array[Object] of boolean; -- by anyone
    issued: Epoch;
    calm: boolean;                 -- only who is up is heard, and only what it says now
  end;

var
  g: State;

function In(var g: State; e: Epoch; i: Member): boolean;
begin
  if SCENE = REPLACE then
    if e = 0 then return i != g.joiner; end;
    return i != g.leaver;
  elsif SCENE = SHRINK then
    return e = 0 | i != g.leaver;
  else
    if e = 0 then return i != g.joiner; end;
    if e = 1 then return true; end;
    if SCENE = RETURN then return i != g.joiner; end;
    return i != g.leaver;
  end;
end;

function Quorum(var g: State; e: Epoch): 1 .. N;
var n: 0 .. N;
begin
  n := 0;
  for i: Member do if In(g, e, i) then n := n + 1; end; end;
  return n / 2 + 1;
end;

function Heard(var g: State; j: Member): boolean;
begin
  return !g.calm | !g.down[j];
end;

-- What it said before it lost its store, which others may have heard.
#ifdef NO_C10
#define FORMER(j, what) | (!g.calm & g.lost & j = g.loser & g.former.what)
#define LOST(i) (g.lost & i = g.loser)
#else
#define FORMER(j, what)
#define LOST(i) false
#endif

-- Members of e whose confirm of x was said when they had no certificate beyond e (C2). What was said may be heard at any time.
function Confirms(var g: State; e: Epoch; x: Object): 0 .. N;
var n: 0 .. N;
begin
  n := 0;
  for j: Member do
    if In(g, e, j) then
#ifdef NO_C2
      if (Heard(g, j) & g.m[j].held[x] != NEVER) FORMER(j, held[x] != NEVER) then n := n + 1; end;
#else
      if (Heard(g, j) & g.m[j].held[x] <= e) FORMER(j, held[x] <= e) then n := n + 1; end;
#endif
    end;
  end;
  return n;
end;

function MayDeliver(var g: State; i: Member; x: Object): boolean;
var e: Epoch;
begin
  if g.done[i][x] | g.skipped[i][x] | g.m[i].held[x] = NEVER then return false; end;
  if exists y: Object do y < x & !g.done[i][y] & !g.skipped[i][y] end then return false; end;
  -- C3: while sealed, by what was said before; who joins delivers once it is active (C5).
  e := g.m[i].active;
  return In(g, e, i) & Confirms(g, e, x) >= Quorum(g, e);
end;

procedure Deliver(var g: State; i: Member; x: Object);
begin
  g.done[i][x] := true;
  g.delivered[x] := true;
end;

function MayTake(var g: State; i: Member; x: Object): boolean;
begin
  return !g.down[i] & g.created[x] & g.m[i].held[x] = NEVER & In(g, g.m[i].certs, i)
    & (g.m[i].certs > 0 | In(g, 0, i)) & (forall y: Object do y < x -> g.m[i].held[y] != NEVER end);
end;

-- C7: by all of the epoch it is in, by what they said in it, and not while sealed.
function MayPrune(var g: State; i: Member; x: Object): boolean;
begin
  if !!g.down[i] | !g.done[i][x] | g.m[i].gone[x] != NEVER | exists y: Object do y < x & g.m[i].gone[y] = NEVER end then
    return false;
  end;
#ifdef NO_C7
  return (forall j: Member do In(g, g.m[i].active, j) -> g.m[j].held[x] != NEVER end);
#else
  return g.m[i].active = g.m[i].certs &
    forall j: Member do In(g, g.m[i].certs, j) -> g.m[j].held[x] <= g.m[i].certs end;
#endif
end;

-- The seal of j for e: it exists, it names x, x was pruned.
function HasSeal(var g: State; j: Member; e: Epoch): boolean;
begin
  return In(g, e, j) & ((Heard(g, j) & g.m[j].certs > e) FORMER(j, certs > e));
end;

function Names(var g: State; j: Member; e: Epoch; x: Object): boolean;
begin
  return (Heard(g, j) & g.m[j].certs > e & g.m[j].held[x] <= e) FORMER(j, certs > e & g.former.held[x] <= e);
end;

function Below(var g: State; j: Member; e: Epoch; x: Object): boolean;
begin
  return (Heard(g, j) & g.m[j].certs > e & g.m[j].gone[x] <= e) FORMER(j, certs > e & g.former.gone[x] <= e);
end;

-- C4: held by a quorum of e + 1, of those that have sealed e (or joined) and had not pruned it then.
function IsHandedOver(var g: State; e: Epoch; x: Object): boolean;
var n: 0 .. N;
begin
  n := 0;
  for j: Member do
    if In(g, e + 1, j) & Heard(g, j) & g.m[j].held[x] <= e + 1
      & g.m[j].certs > e
      & g.m[j].gone[x] > e
    then n := n + 1; end;
  end;
  return n >= Quorum(g, e + 1);
end;

-- All seals of e but that of z name it.
function InAll(var g: State; e: Epoch; x: Object; z: Member): boolean;
begin
  return forall j: Member do (In(g, e, j) & j != z) -> Names(g, j, e, x) end;
end;

-- C4: the seals of all of e but z. Epochs of three and of four have quorums of all but one.
function MayAct(var g: State; i: Member; z: Member): boolean;
var e: Epoch;
begin
  e := g.m[i].active;
  if g.down[i] | g.m[i].certs = e then return false; end;
  if !In(g, e + 1, i) then return false; end;
#ifdef NO_C1
  return true;
#endif
  if exists j: Member do In(g, e, j) & j != z & !HasSeal(g, j, e) end then return false; end;
#ifndef NO_START
  if !In(g, e, i) then
    if exists x: Object do InAll(g, e, x, z) & g.m[i].held[x] = NEVER end then return false; end;
  end;
#endif
#ifdef NO_C4
  return true;
#else
  return forall x: Object do
    (exists j: Member do j != z & In(g, e, j) & Names(g, j, e, x) end) ->
    (IsHandedOver(g, e, x) | (g.m[i].gone[x] <= e) | (exists j: Member do j != z & In(g, e, j) & Below(g, j, e, x) end)
      | exists j: Member do Heard(g, j) & In(g, e + 1, j) & !In(g, e, j) & g.m[j].gone[x] <= e end)
  end;
#endif
end;

-- What is below the base of a seal is skipped by who lacks it: it joins. It counts as held, and as pruned.
procedure SkipBelow(var g: State; i: Member; x: Object);
begin
  if g.m[i].held[x] = NEVER then
    g.skipped[i][x] := true;
    g.m[i].held[x] := g.m[i].certs;
    g.m[i].gone[x] := g.m[i].active;
  end;
end;

-- C5: from where on a member that joins takes objects, as far as any seal says, or the word of one that is active.
function MayBegin(var g: State; i: Member; x: Object): boolean;
var e: Epoch;
begin
  e := g.m[i].active;
#ifdef NO_BEGIN
  return false;
#endif
  return !g.down[i] & g.m[i].certs > e & !In(g, e, i) & g.m[i].held[x] = NEVER & exists j: Member do
    Heard(g, j) & ((HasSeal(g, j, e) & Below(g, j, e, x)) | (g.m[j].active > e & In(g, e + 1, j) & g.m[j].gone[x] != NEVER)) end;
end;

procedure Act(var g: State; i: Member; z: Member);
var e: Epoch;
begin
  e := g.m[i].active;
  for x: Object do g.m[i].start[x] := InAll(g, e, x, z); end;
  g.m[i].active := e + 1;
end;

-- C6: one that is active says so.
function MayFollow(var g: State; i: Member; j: Member): boolean;
begin
#ifdef NO_C6
  return false;
#endif
  return !g.down[i] & Heard(g, j) & g.m[i].certs > g.m[i].active & g.m[j].active > g.m[i].active & In(g, g.m[i].active + 1, j) & In(g, g.m[i].active + 1, i)
#ifndef NO_START
    & (In(g, g.m[i].active, i) | (forall x: Object do g.m[j].start[x] -> g.m[i].held[x] != NEVER end))
#endif
  ;
end;

procedure Follow(var g: State; i: Member; j: Member);
begin
  for x: Object do g.m[i].start[x] := g.m[j].start[x]; end;
  g.m[i].active := g.m[i].active + 1;
end;

-- A certificate is taken, and what is before it sealed: at once, but only by who is active in the epoch before (C9).
function MaySeal(var g: State; i: Member): boolean;
begin
  return !g.down[i] & g.m[i].certs < g.issued & (In(g, g.m[i].certs, i) | In(g, g.m[i].certs + 1, i))
#ifndef NO_C9
    & (g.m[i].active = g.m[i].certs | !In(g, g.m[i].certs, i))
#endif
  ;
end;

-- C8: what was e is over, and its removed members may be switched off.
function IsOver(var g: State; e: Epoch): boolean;
var n: 0 .. N;
begin
  if e >= g.issued then return false; end;
#ifdef OFF_AT_ONCE
  return true;
#endif
  n := 0;
  for j: Member do if In(g, e + 1, j) & g.m[j].active > e then n := n + 1; end; end;
#ifdef OFF_AT_ONE
  return n >= 1;
#else
  return n >= Quorum(g, e + 1);
#endif
end;

function Failed(var g: State; e: Epoch; i: Member): boolean;
begin
  return In(g, e, i) & (g.down[i] | LOST(i));
end;

function MayFail(var g: State; i: Member): boolean;
var n: 0 .. N;
begin
  for e: Epoch do
    if e <= g.issued & !IsOver(g, e) & In(g, e, i) then
      n := 0;
      for j: Member do if j != i & Failed(g, e, j) then n := n + 1; end; end;
      if n >= K then return false; end;
    end;
  end;
  return true;
end;

function MayIssue(var g: State): boolean;
var n: 0 .. N;
begin
  if g.issued = E then return false; end;
  n := 0;
  for j: Member do if Failed(g, g.issued + 1, j) then n := n + 1; end; end;
#ifdef ONE_BY_ONE
  if g.issued > 0 then if !IsOver(g, g.issued - 1) then return false; end; end;
#endif
  return n <= K;
end;

-- All that happens if nothing more goes wrong, in one order: what is issued comes first.
function Settles(var h: State): boolean;
var g: State; go: boolean;
begin
  g := h;
  g.calm := true;
  go := true;
  while go do
    go := false;
    for i: Member do
      if !g.down[i] then
        if MaySeal(g, i) then g.m[i].certs := g.m[i].certs + 1; if !In(g, g.m[i].certs - 1, i) then g.m[i].active := g.m[i].certs - 1; end; go := true; end;
        for x: Object do
          if MayTake(g, i, x) & exists j: Member do j != i & !g.down[j] & g.m[j].held[x] != NEVER & g.m[j].gone[x] = NEVER end then
            g.m[i].held[x] := g.m[i].certs; go := true;
          end;
          if MayBegin(g, i, x) then SkipBelow(g, i, x); go := true; end;
          if MayDeliver(g, i, x) then Deliver(g, i, x); go := true; end;
        end;
        for z: Member do if MayAct(g, i, z) then Act(g, i, z); go := true; end; end;
        for j: Member do if MayFollow(g, i, j) then Follow(g, i, j); go := true; end; end;
      end;
    end;
  end;
  for i: Member do
    if !g.down[i] & In(g, g.issued, i) & !LOST(i) then
      if g.m[i].active != g.issued then return false; end;
      for x: Object do
        if (g.delivered[x] | (g.created[x] & !g.down[g.origin] & In(g, g.issued, g.origin) & !LOST(g.origin)))
           & !g.done[i][x] & !g.skipped[i][x] then return false; end;
      end;
    end;
  end;
  return true;
end;

ruleset a: Member; b: Member; o: Member; l: Member do
  startstate "start"
  begin
    clear g;
    g.joiner := a; g.leaver := b; g.origin := o; g.loser := l;
    for i: Member do for y: Object do g.m[i].held[y] := NEVER; g.m[i].gone[y] := NEVER; end; end;
#ifdef NO_C10
    for y: Object do g.former.held[y] := NEVER; g.former.gone[y] := NEVER; end;
#endif
#ifdef HELD
    -- Begins where the first object is held by all that there are.
    g.created[0] := true;
    for i: Member do if In(g, 0, i) then g.m[i].held[0] := 0; end; end;
#endif
    -- Another cast: a state in which nothing can happen.
    if !(CAST) then g.issued := E; for i: Member do g.down[i] := true; end; end;
    end;
end;

rule "issue" MayIssue(g) ==> begin g.issued := g.issued + 1; end;

ruleset i: Member do
  rule "take the certificate" MaySeal(g, i) ==> begin
    g.m[i].certs := g.m[i].certs + 1;
    if !In(g, g.m[i].certs - 1, i) then g.m[i].active := g.m[i].certs - 1; end;
  end;
  rule "stop" !g.down[i] & MayFail(g, i) ==> begin g.down[i] := true; end;
end;

ruleset x: Object do
  rule "broadcast" !g.created[x] & !g.down[g.origin] & In(g, g.m[g.origin].certs, g.origin) & !LOST(g.origin) &
    (forall y: Object do y < x -> g.created[y] end)
  ==> begin
    g.created[x] := true;
    g.m[g.origin].held[x] := g.m[g.origin].certs;
  end;
end;

ruleset i: Member; x: Object do
  rule "take" !g.down[i] & MayTake(g, i, x) ==> begin g.m[i].held[x] := g.m[i].certs; end;
  rule "deliver" !g.down[i] & MayDeliver(g, i, x) ==> begin Deliver(g, i, x); end;
  rule "begin" MayBegin(g, i, x) ==> begin SkipBelow(g, i, x); end;
#ifndef NO_PRUNING
  rule "prune" MayPrune(g, i, x) ==> begin g.m[i].gone[x] := g.m[i].certs; end;
#endif
end;

ruleset i: Member; z: Member do
  rule "become active" MayAct(g, i, z) ==> begin Act(g, i, z); end;
  rule "become active on another's word" MayFollow(g, i, z) ==> begin Follow(g, i, z); end;
end;

#ifdef NO_C10
rule "begin again without the store" !g.lost & !g.down[g.loser] & MayFail(g, g.loser) & In(g, 0, g.loser) & In(g, g.issued, g.loser) ==> begin
  g.lost := true;
  g.former := g.m[g.loser];
  g.m[g.loser].certs := 0;
  g.m[g.loser].active := 0;
  for x: Object do
    g.m[g.loser].held[x] := NEVER; g.m[g.loser].gone[x] := NEVER; g.m[g.loser].start[x] := false;
    g.done[g.loser][x] := false; g.skipped[g.loser][x] := false;
  end;
end;
#endif

invariant "what is skipped is delivered" forall i: Member do forall x: Object do g.skipped[i][x] -> g.delivered[x] end end;
invariant "nobody delivers with a gap"
  forall i: Member do forall x: Object do forall y: Object do y > x & g.done[i][x] -> !g.skipped[i][y] end end end;
invariant "all settles" Settles(g);
