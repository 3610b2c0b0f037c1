import type { Problem } from "./diagnostic.js";
import { quoted } from "./display.js";
import type { PolicyLayer } from "./layer.js";
import type { Locator, ValuePath } from "./location.js";
import { didYouMean } from "./nearest.js";
import { resolveGrant, resolvePath } from "./paths.js";
import type { EgressRule, Limit, LimitName, Origin, PathGrant } from "./policy.js";
import { limitNames } from "./policy.js";
import { type PolicyDocument, policySchema, syscallProfiles } from "./schema.js";
import { refusedEntry, salvage } from "./salvage.js";
import { schemaProblems } from "./schema-issues.js";

export interface ReadLayer {
  readonly layer: PolicyLayer;
  /** As written: a preset's name or a path. */
  readonly extends: string | undefined;
}

/**
 * Plain data, judged by the schema and turned into a layer: paths absolute, each value with its origin. `baseDirectory` is
 * absolute. Every problem found is added to `problems`; the layer is then incomplete.
 */
export function readLayer(
  value: unknown,
  locator: Locator,
  baseDirectory: string,
  problems: Problem[],
): ReadLayer {
  const parsed = policySchema.safeParse(value, { reportInput: true });
  if (!parsed.success) problems.push(...schemaProblems(parsed.error.issues, locator));
  const document = parsed.success ? parsed.data : salvage(value);
  const reader = new LayerReader(locator, baseDirectory, problems);
  return { layer: reader.layer(document), extends: document.extends };
}

class LayerReader {
  readonly #locator: Locator;
  readonly #baseDirectory: string;
  readonly #problems: Problem[];

  constructor(locator: Locator, baseDirectory: string, problems: Problem[]) {
    this.#locator = locator;
    this.#baseDirectory = baseDirectory;
    this.#problems = problems;
  }

  layer(document: PolicyDocument): PolicyLayer {
    const {
      filesystem = {},
      network = {},
      resources = {},
      environment = {},
      syscalls = {},
      audit = {},
    } = document;
    const granted = new Map<string, string>();
    return {
      name: document.name,
      filesystem: {
        root: this.#root(filesystem.root),
        read: this.#grants("read", filesystem.read ?? [], granted),
        write: this.#grants("write", filesystem.write ?? [], granted),
        overlay: this.#grants("overlay", filesystem.overlay ?? [], granted),
        deny: this.#grants("deny", filesystem.deny ?? [], undefined),
        tmpBytes: filesystem.tmp,
      },
      network: {
        egress: this.#rules("egress", network.egress ?? []),
        egressDeny: this.#rules("egressDeny", network.egressDeny ?? []),
        forward: (network.forward ?? []).map((entry, index) => ({
          ...entry,
          ...this.#origin(["network", "forward", index]),
        })),
        publish: (network.publish ?? []).map((entry, index) => ({
          ...entry,
          ...this.#origin(["network", "publish", index]),
        })),
        unixSockets: (network.unixSockets ?? []).map((written, index) => {
          const at = ["network", "unixSockets", index];
          return { path: this.#grant(written, at), written, ...this.#origin(at) };
        }),
        ...(network.proxyPort === undefined ? {} : { proxyPort: network.proxyPort }),
        ...(network.upstreamProxy === undefined
          ? {}
          : {
              upstreamProxy: {
                url: network.upstreamProxy,
                ...this.#origin(["network", "upstreamProxy"]),
              },
            }),
        noProxy: network.noProxy ?? [],
      },
      resources: this.#limits(resources),
      bestEffort: (resources.bestEffort ?? []).map((name, index) => ({
        name,
        place: this.#locator.place(["resources", "bestEffort", index]),
      })),
      environment: { pass: [...new Set(environment.pass ?? [])], set: environment.set ?? {} },
      syscalls: this.#profile(syscalls.profile),
      audit: { level: audit.level, maxBytes: audit.maxBytes, onFailure: audit.onFailure },
    };
  }

  #root(written: string | undefined): string | undefined {
    return written === undefined || written === "host"
      ? written
      : this.#grant(written, ["filesystem", "root"]);
  }

  /** One path under two modes is a contradiction; twice under one is a slip. Both are errors. */
  #grants(
    mode: string,
    entries: readonly string[],
    granted: Map<string, string> | undefined,
  ): readonly PathGrant[] {
    return entries.map((written, index) => {
      if (written === refusedEntry) return { path: "/", written };
      const at = ["filesystem", mode, index];
      const path = this.#grant(written, at);
      const earlier = granted?.get(path);
      if (earlier !== undefined)
        this.#problem(at, `${quoted(written)} is already granted under \`${earlier}\``);
      granted?.set(path, mode);
      return { path, written, ...this.#origin(at) };
    });
  }

  #grant(written: string, at: ValuePath): string {
    const resolved = resolveGrant(written, this.#baseDirectory);
    if ("value" in resolved) return resolved.value;
    this.#problem(at, resolved.problem);
    return written;
  }

  #rules(
    list: string,
    rules: readonly {
      to: readonly { written: string }[];
      except?: readonly { written: string }[] | undefined;
      ports?: EgressRule["ports"] | undefined;
    }[],
  ): readonly EgressRule[] {
    return rules.map((rule, index) => ({
      to: rule.to.map(({ written }) => written),
      except: (rule.except ?? []).map(({ written }) => written),
      ports: rule.ports ?? [],
      ...this.#origin(["network", list, index]),
    }));
  }

  #limits(resources: { readonly [Name in LimitName]?: { value: number; written: string } | undefined }): {
    [Name in LimitName]?: Limit;
  } {
    const limits: { [Name in LimitName]?: Limit } = {};
    for (const name of limitNames) {
      const limit = resources[name];
      if (limit !== undefined)
        limits[name] = { ...limit, bestEffort: false, ...this.#origin(["resources", name]) };
    }
    return limits;
  }

  /** A bare word is a built-in profile, so that a slip of the pen does not become a file that is not there. */
  #profile(written: string | undefined): { profile: string } | undefined {
    if (written === undefined) return undefined;
    const at = ["syscalls", "profile"];
    const builtIn = syscallProfiles.some((profile) => profile === written);
    if (!builtIn && !/[./]/.test(written)) {
      const names = syscallProfiles.join(", ");
      const hint = didYouMean(written, syscallProfiles);
      this.#problem(
        at,
        `${quoted(written)} is not one of ${names}${hint === "" ? "; a file is written as ./FILE" : hint}`,
      );
    }
    return { profile: builtIn ? written : resolvePath(written, this.#baseDirectory), ...this.#origin(at) };
  }

  #origin(path: ValuePath): { origin?: Origin } {
    const origin = this.#locator.origin(path);
    return origin === undefined ? {} : { origin };
  }

  #problem(path: ValuePath, message: string): void {
    this.#problems.push({ place: this.#locator.place(path), message });
  }
}
