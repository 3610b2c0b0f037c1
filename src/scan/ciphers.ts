/** Of a repeated key, in bytes. Half of a token must be left to compare. */
const longestKey = 16;
/** Fewer bytes may be equal by chance. */
const leastAlike = 12;

/** Of larger data, the beginning. */
const mostBytes = 64 * 1024;

/**
 * Tells of tokens whether they are in the data under a key that is repeated over it, by XOR or by addition. What stands a key's length
 * apart has met the same byte of the key, so that the difference of the two is that of the plain text.
 */
export function enciphered(data: Buffer): (token: string) => boolean {
  const all = differences(data.subarray(0, mostBytes));
  return (token) => tokenDifferences(token).some((each, index) => all[index]?.includes(each) === true);
}

const differencesOf = new Map<string, readonly Buffer[]>();

function tokenDifferences(token: string): readonly Buffer[] {
  const known = differencesOf.get(token);
  if (known !== undefined) return known;
  const made = differences(Buffer.from(token)).filter((each) => each.length >= leastAlike);
  if (differencesOf.size > 1000) differencesOf.clear();
  differencesOf.set(token, made);
  return made;
}

/** By XOR and by subtraction, for each length of a key. */
function differences(bytes: Buffer): readonly Buffer[] {
  return Array.from({ length: longestKey }, (_, index) => {
    const apart = index + 1;
    const length = Math.max(0, bytes.length - apart);
    const byXor = Buffer.allocUnsafe(length);
    const bySum = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at++) {
      const [one = 0, other = 0] = [bytes[at], bytes[at + apart]];
      byXor[at] = other ^ one;
      bySum[at] = other - one;
    }
    return [byXor, bySum];
  }).flat();
}

const shiftsOf = new Map<string, readonly string[]>();

/** Whether the token is in the text with its letters moved along the alphabet, as ROT13 does. */
export function isShifted(text: string, token: string): boolean {
  let shifts = shiftsOf.get(token);
  if (shifts === undefined) {
    shifts = Array.from({ length: 25 }, (_, index) => shifted(token, index + 1));
    if (shiftsOf.size > 1000) shiftsOf.clear();
    shiftsOf.set(token, shifts);
  }
  return shifts.some((each) => text.includes(each));
}

function shifted(text: string, by: number): string {
  return text.replace(/[A-Za-z]/g, (letter) => {
    const first = letter <= "Z" ? 65 : 97;
    return String.fromCharCode(((letter.charCodeAt(0) - first + by) % 26) + first);
  });
}
