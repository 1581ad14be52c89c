/** What is thrown away, counted by reason. Each layer declares its reasons beside who counts them. */

/** How often, by reason. */
export type Drops<Reason extends string> = { [R in Reason]?: number };

export function countDrop<Reason extends string>(
  { drops }: { drops: Drops<NoInfer<Reason>> },
  reason: Reason,
): void {
  const counts: Record<string, number | undefined> = drops;
  counts[reason] = (counts[reason] ?? 0) + 1;
}

/** The sum of what two layers have counted. */
export function sumDrops<A extends string, B extends string>(a: Drops<A>, b: Drops<B>): Drops<A | B> {
  const sum: Record<string, number> = { ...(a as Record<string, number>) };
  for (const [reason, count] of Object.entries<number>(b as Record<string, number>))
    sum[reason] = (sum[reason] ?? 0) + count;
  return sum as Drops<A | B>;
}
