import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Scratch } from "./scratch.js";

export interface Authority {
  /** The certificate that clients are to trust. */
  readonly file: string;
  /** For servers, of all the names that were asked for. */
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** A certificate authority of the test's own, and one certificate of its for some names. */
export function makeAuthority(box: Scratch, names: readonly string[]): Authority {
  const caFile = box.at("work/ca.pem");
  const caKey = box.at("ca.key");
  const key = box.at("tls.key");
  const request = box.at("tls.csr");
  const cert = box.at("tls.pem");
  const extensions = box.file("tls.ext", `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}\n`);
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl([
    "req",
    "-x509",
    ...newKey,
    "-keyout",
    caKey,
    "-out",
    caFile,
    "-days",
    "2",
    "-subj",
    "/CN=test CA",
  ]);
  openssl(["req", ...newKey, "-keyout", key, "-out", request, "-subj", "/CN=test"]);
  const signed = ["-CA", caFile, "-CAkey", caKey, "-CAcreateserial", "-days", "2", "-extfile", extensions];
  openssl(["x509", "-req", "-in", request, "-out", cert, ...signed]);
  return { file: caFile, key: readFileSync(key), cert: readFileSync(cert) };
}

function openssl(args: readonly string[]): void {
  const { status, stderr } = spawnSync("openssl", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
}
