import { quoted } from "./display.js";
import type { Parsed } from "./parsed.js";

/** Decimal units as in SI, binary ones as in IEC 80000-13. */
export const sizeUnits = {
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  kB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
} as const;

export const timeUnits = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** For the JSON Schema: what {@link parseSize} and {@link parseTime} accept, but for the range. */
export const sizePattern = "^[0-9]+(\\.[0-9]+)?(KiB|MiB|GiB|kB|MB|GB)$";
export const timePattern = "^[0-9]+(\\.[0-9]+)?(ms|s|m|h)$";

/** "512MiB" → bytes, rounded down. Never 0: the kernel reads a tmpfs of size 0, for one, as one without a limit. */
export function parseSize(text: string): Parsed<number> {
  return parseQuantity(text, sizeUnits, { noun: "size", example: "512MiB", likely: "MiB", slips: sizeSlips });
}

/** "1.5s" → milliseconds, rounded down; never 0. */
export function parseTime(text: string): Parsed<number> {
  return parseQuantity(text, timeUnits, { noun: "time", example: "30s", likely: "s", slips: timeSlips });
}

/** Bytes in the largest unit that divides them: 268435456 → "256MiB". Bytes that no unit divides are given in B. */
export function formatSize(bytes: number): string {
  for (const [unit, factor] of Object.entries(sizeUnits).sort(([, a], [, b]) => b - a))
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  return `${bytes}B`;
}

interface Wording {
  readonly noun: string;
  readonly example: string;
  /** The unit to propose where none was written. */
  readonly likely: string;
  /** Lower-case spellings of other tools, and the unit that they stand for. */
  readonly slips: ReadonlyMap<string, string>;
}

const sizeSlips: ReadonlyMap<string, string> = new Map(
  Object.entries({
    k: "KiB",
    ki: "KiB",
    kib: "KiB",
    kb: "kB",
    m: "MiB",
    mi: "MiB",
    mib: "MiB",
    mb: "MB",
    g: "GiB",
    gi: "GiB",
    gib: "GiB",
    gb: "GB",
  }),
);

const timeSlips: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ms: "ms",
    msec: "ms",
    s: "s",
    sec: "s",
    secs: "s",
    second: "s",
    seconds: "s",
    m: "m",
    min: "m",
    mins: "m",
    minute: "m",
    minutes: "m",
    h: "h",
    hr: "h",
    hour: "h",
    hours: "h",
  }),
);

/** Digits are bounded, so that no number of them costs anything or loses precision unnoticed. */
const quantity = /^(\d{1,15}(?:\.\d{1,9})?)(?![\d.])(.*)$/s;

function parseQuantity(
  text: string,
  units: Readonly<Record<string, number>>,
  wording: Wording,
): Parsed<number> {
  const { noun, example } = wording;
  const match = quantity.exec(text);
  const digits = match?.[1];
  const unit = match?.[2];
  if (digits === undefined || unit === undefined || /\d/.test(unit))
    return {
      problem: `${quoted(text)} is not a ${noun}: write one decimal number and its unit, such as ${example}`,
    };
  const names = Object.keys(units).join(", ");
  if (unit.trim() === "")
    return { problem: `a ${noun} needs a unit (${names}); did you mean \`${digits}${wording.likely}\`?` };
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  if (factor === undefined) {
    const meant = wording.slips.get(unit.trim().toLowerCase());
    const guess = meant === undefined ? "" : `; did you mean \`${digits}${meant}\`?`;
    return { problem: `${quoted(text)} is not a ${noun} in ${names}${guess}` };
  }
  const value = Math.floor(Number(digits) * factor + roundingSlack);
  if (value < 1) return { problem: `a ${noun} must be more than 0` };
  if (value > Number.MAX_SAFE_INTEGER) return { problem: `${quoted(text)} is too large` };
  return { value };
}

/** 0.29 × 1000 is 289.99999999999994 in binary. */
const roundingSlack = 1e-6;
