-- A change of members where one of them lies (f = k = 1): one place of the stream of the lying origin, which signs two objects for it. The liar's
-- word is taken for whatever suits whoever decides, to each something else; what a member has said may be heard at any time. Asked is only
-- whether two members can deliver different objects. README.md has the rest.

#define REPLACE 0 /* a, b, c, liar; a, b, d, liar */
#define ADD 1     /* a, b, c, liar; a, b, c, d, liar */
#define REMOVE 2  /* a, b, c, d, liar; a, b, d, liar */

const
  CORRECT: 4;

type
  Member: scalarset(CORRECT);
  Epoch: 0 .. 1;
  Choice: 0 .. 1;
  Held: 0 .. 2; -- 2: none

var
  joiner: Member;
  leaver: Member;
  certs: array[Member] of Epoch;
  active: array[Member] of Epoch;
  holds: array[Member] of Held;
  said: array[Member] of array[Epoch] of array[Choice] of boolean;
  seal: array[Member] of Held;    -- of epoch 0: what it held then
  done: array[Member] of Held;

function In(e: Epoch; i: Member): boolean;
begin
  if e = 0 then return SCENE = REMOVE | i != joiner; end;
  return SCENE = ADD | i != leaver;
end;

-- Of n = 4 with f = 1 three, of n = 5 four.
function Quorum(e: Epoch): 3 .. 4;
var n: 0 .. CORRECT;
begin
  n := 0;
  for i: Member do if In(e, i) then n := n + 1; end; end;
  if n = 4 then return 4; end;
  return 3;
end;

-- Words for v in e: those of members that had not sealed it, and the liar's.
function Words(e: Epoch; v: Choice): 0 .. CORRECT + 1;
var n: 0 .. CORRECT + 1;
begin
  n := 1;
  for j: Member do
    if In(e, j) & (said[j][0][v] | (e = 1 & said[j][1][v])) then n := n + 1; end;
  end;
  return n;
end;

function Enough(i: Member; v: Choice): boolean;
begin
  if certs[i] = 0 then return Words(0, v) >= Quorum(0); end;
  if active[i] = 1 then return Words(1, v) >= Quorum(1); end;
#ifdef JOINT
  return In(0, i) & Words(0, v) >= Quorum(0) & Words(1, v) >= Quorum(1);
#else
  return In(0, i) & Words(0, v) >= Quorum(0);
#endif
end;

-- What a quorum of seals names, one of them the liar's, is held by a quorum of the new epoch.
function MayAct(i: Member): boolean;
var n: 0 .. CORRECT;
begin
  if certs[i] = 0 | active[i] = 1 | !In(1, i) then return false; end;
#ifdef NO_C4
  n := 0;
  for j: Member do if In(0, j) & certs[j] = 1 then n := n + 1; end; end;
  return n + 1 >= Quorum(0);
#else
  -- All but one that is not the liar (z), whoever it is.
  return exists z: Member do
    (forall j: Member do (In(0, j) & j != z) -> certs[j] = 1 end) &
    ((forall j: Member do (In(0, j) & j != z) -> seal[j] = 2 end) | (exists v: Choice do Words(1, v) >= Quorum(1) end))
  end;
#endif
end;

ruleset a: Member; b: Member do
  startstate "start"
  begin
    joiner := a; leaver := b;
    for i: Member do
      certs[i] := 0; active[i] := 0; holds[i] := 2; seal[i] := 2; done[i] := 2;
      for e: Epoch do for v: Choice do said[i][e][v] := false; end; end;
    end;
    -- Another cast: nothing can happen.
    if a = b then for i: Member do certs[i] := 1; active[i] := 1; done[i] := 0; holds[i] := 0; end; end;
  end;
end;

ruleset i: Member do
  rule "take the certificate" certs[i] = 0 ==> begin
    certs[i] := 1;
    seal[i] := holds[i];
    if In(1, i) & holds[i] < 2 then said[i][1][holds[i]] := true; end;
  end;
  rule "become active" MayAct(i) ==> begin active[i] := 1; end;
end;

ruleset i: Member; v: Choice do
  rule "take" joiner != leaver & holds[i] = 2 & In(certs[i], i) ==> begin
    holds[i] := v;
    said[i][certs[i]][v] := true;
  end;
  rule "follow a quorum" holds[i] = 1 - v & done[i] = 2 & In(certs[i], i) & Enough(i, v) ==> begin
    holds[i] := v;
    said[i][certs[i]][v] := true;
  end;
  rule "deliver" holds[i] = v & done[i] = 2 & Enough(i, v) ==> begin done[i] := v; end;
end;

invariant "all deliver the same object"
  forall i: Member do forall j: Member do done[i] = 2 | done[j] = 2 | done[i] = done[j] end end;
