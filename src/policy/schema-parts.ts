import { z } from "zod";

import { quoted } from "./display.js";
import { didYouMean } from "./nearest.js";
import type { Parsed } from "./parsed.js";
import { checkPath } from "./paths.js";

/** The issue that zod hands to a custom message. */
interface RawIssue {
  readonly code: string;
  readonly input?: unknown;
}

/** A mapping that takes exactly these keys. Unknown keys are worded where the issues become problems, with their place. */
export function mapping<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "invalid_type" ? `expected a mapping, got ${kindOf(issue.input)}` : undefined,
  });
}

export function list<Item extends z.ZodType>(item: Item): z.ZodArray<Item> {
  return z.array(item, {
    error: ({ input }) => {
      const fix =
        typeof input === "string" || typeof input === "number" ? `; write ${quoted(`[${input}]`)}` : "";
      return `expected a list, got ${kindOf(input)}${fix}`;
    },
  });
}

/** A string; `what` completes "expected …". A number, which YAML makes of some texts, is worded by `ofNumber`. */
export function text(what: string, ofNumber?: (written: string) => Parsed<unknown>): z.ZodString {
  return z.string({
    error: ({ input }: RawIssue) => {
      const parsed =
        typeof input === "number" && ofNumber !== undefined ? ofNumber(String(input)) : undefined;
      return parsed !== undefined && "problem" in parsed ? parsed.problem : expected(what, input);
    },
  });
}

export const path = text("a path").superRefine((written, context) => {
  const problem = checkPath(written);
  if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
});

export function choice<const Values extends readonly string[]>(
  values: Values,
): z.ZodEnum<{ [K in Values[number]]: K }> {
  return z.enum(values, {
    error: ({ input }: RawIssue) =>
      typeof input === "string"
        ? `${quoted(input)} is not one of ${values.join(", ")}${didYouMean(input, values)}`
        : expected(`one of ${values.join(", ")}`, input),
  });
}

export function wholeNumber(what: string, least: number, most: number): z.ZodNumber {
  const range = `${what} is a whole number from ${least} to ${most}`;
  const error = ({ input }: RawIssue): string =>
    typeof input === "number" ? `${range}, not ${input}` : expected(`a whole number`, input);
  return z.number({ error }).int({ error }).min(least, { error }).max(most, { error });
}

/** For `.transform`: a parser of text whose problem becomes zod's issue at this place. */
export function parsedBy<Input, Output>(
  parse: (input: Input) => Parsed<Output>,
): (input: Input, context: z.RefinementCtx<Input>) => Output {
  return (input, context) => {
    const parsed = parse(input);
    if ("value" in parsed) return parsed.value;
    context.addIssue({ code: "custom", message: parsed.problem });
    return z.NEVER;
  };
}

export function expected(what: string, input: unknown): string {
  return `expected ${what}, got ${kindOf(input)}`;
}

function kindOf(input: unknown): string {
  if (input === undefined) return "nothing";
  if (input === null) return "nothing (null)";
  if (Array.isArray(input)) return "a list";
  if (typeof input === "object") return "a mapping";
  if (typeof input === "string") return `the string ${quoted(input)}`;
  if (typeof input === "number" || typeof input === "boolean")
    return `the ${typeof input} ${quoted(String(input))}`;
  return `a ${typeof input}`;
}
