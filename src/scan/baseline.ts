import { SkillboxError } from "../errors.js";
import { readPolicyText } from "../policy/read-file.js";
import type { Finding } from "./report-findings.js";
import { z } from "zod";

/** Findings that somebody accepted: by id, with a reason, for a time. */
const schema = z.strictObject({
  version: z.literal(1),
  accept: z.array(
    z.strictObject({
      id: z.string().regex(/^SBX\d{3}-[0-9a-f]{12}$/),
      reason: z.string().trim().min(1).max(1024),
      expires: z.iso.date(),
    }),
  ),
});
export type Baseline = z.infer<typeof schema>;

/** Throws ERR_USAGE for what is none. */
export function readBaseline(path: string): Baseline {
  const text = readPolicyText(path, { regularOnly: false });
  const wrong = (why: string): SkillboxError =>
    new SkillboxError("ERR_USAGE", `the baseline ${path} ${why}`, {
      hint: '{"version": 1, "accept": [{"id": "SBX601-…", "reason": "…", "expires": "2027-01-31"}]}',
    });
  if ("problem" in text) throw wrong(text.problem);
  let value: unknown;
  try {
    value = JSON.parse(text.value);
  } catch {
    throw wrong("is not JSON");
  }
  const read = schema.safeParse(value);
  if (!read.success) throw wrong(`is wrong: ${z.prettifyError(read.error)}`);
  return read.data;
}

export function statusOf(id: string, baseline: Baseline | undefined, today: Date): Finding["status"] {
  const known = baseline?.accept.find((each) => each.id === id);
  if (known === undefined) return { state: "open" };
  const { reason, expires } = known;
  const isOver = today.toISOString().slice(0, 10) > expires;
  return isOver ? { state: "open", expired: { reason, expires } } : { state: "accepted", reason, expires };
}
