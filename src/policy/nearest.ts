/**
 * The candidate that was probably meant by `written`, for "did you mean": equal but for case, or at most one
 * typing error (wrong, missing, extra or swapped letter) per three letters away. undefined where none is near.
 */
export function nearest(written: string, candidates: readonly string[]): string | undefined {
  const text = written.toLowerCase();
  if (text.length === 0 || text.length > 64) return undefined;
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(text.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = typingErrors(text, candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** " did you mean `x`?" to append to a message, or nothing. */
export function didYouMean(written: string, candidates: readonly string[]): string {
  const candidate = nearest(written, candidates);
  return candidate === undefined ? "" : `; did you mean \`${candidate}\`?`;
}

/** Optimal string alignment distance: Levenshtein's, with a swap of neighbours as one error. */
function typingErrors(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let errors = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        errors = Math.min(errors, at(beforePrevious, column - 2) + 1);
      current.push(errors);
    }
    beforePrevious = previous;
    previous = current;
  }
  return at(previous, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
