/** The smaller of two limits, where there are two. */
export function lower(policy: number | undefined, own: number | undefined): number | undefined {
  if (own === undefined) return policy;
  return policy === undefined ? own : Math.min(policy, own);
}
