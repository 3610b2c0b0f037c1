import { generateKeyPairSync, randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import forge from "node-forge";

/** A certificate authority that lives as long as a scan. Its key never leaves this process. */
export interface Authority {
  /** What clients are to trust, as PEM. */
  readonly certificate: string;
  /** A server's certificate for a host name or address, made when it is first asked for; as PEM. */
  readonly credentialsFor: (name: string) => Credentials;
  readonly contextFor: (name: string) => SecureContext;
}

export interface Credentials {
  readonly key: string;
  readonly cert: string;
}

const validMs = 24 * 3600 * 1000;
/** A program that asks for more hosts gets the certificate of the last one: a mismatch, and its own to handle. */
const mostNames = 500;

export function makeAuthority(): Authority {
  const root = makeKeys();
  const leaf = makeKeys();
  const issuer = [{ name: "commonName", value: "skillbox scan authority" }];
  const certificate = blank(root, issuer, issuer);
  certificate.setExtensions([
    { name: "basicConstraints", cA: true, critical: true },
    { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    { name: "subjectKeyIdentifier" },
  ]);
  certificate.sign(root.privateKey, forge.md.sha256.create());
  const contexts = new Map<string, SecureContext>();
  const issued = new Map<string, Credentials>();
  let last: Credentials | undefined;

  const issue = (name: string): Credentials => {
    // The common name may hold 64 characters (RFC 5280, ub-common-name), and nobody compares it any more.
    const cert = blank(leaf, [{ name: "commonName", value: "sinkhole" }], issuer);
    const altName = isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name };
    cert.setExtensions([
      { name: "subjectAltName", altNames: [altName] },
      { name: "extKeyUsage", serverAuth: true },
      { name: "keyUsage", digitalSignature: true, keyEncipherment: true, critical: true },
      // Of the root's: Python 3.13 insists on it (VERIFY_X509_STRICT).
      {
        name: "authorityKeyIdentifier",
        keyIdentifier: certificate.generateSubjectKeyIdentifier().getBytes(),
      },
    ]);
    cert.sign(root.privateKey, forge.md.sha256.create());
    return { key: leaf.privatePem, cert: forge.pki.certificateToPem(cert) };
  };
  const credentialsFor = (name: string): Credentials => {
    const known = issued.get(name);
    if (known !== undefined) return known;
    if (last !== undefined && issued.size >= mostNames) return last;
    last = issue(name);
    issued.set(name, last);
    return last;
  };
  return {
    certificate: forge.pki.certificateToPem(certificate),
    credentialsFor,
    contextFor: (name) => {
      const credentials = credentialsFor(name);
      const known = contexts.get(credentials.cert) ?? createSecureContext(credentials);
      contexts.set(credentials.cert, known);
      return known;
    },
  };
}

interface Keys {
  readonly privatePem: string;
  readonly privateKey: forge.pki.rsa.PrivateKey;
  readonly publicKey: forge.pki.rsa.PublicKey;
}

/** Made by OpenSSL, which takes a tenth of forge's time. */
function makeKeys(): Keys {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  return {
    privatePem: privateKey,
    privateKey: forge.pki.privateKeyFromPem(privateKey),
    publicKey: forge.pki.publicKeyFromPem(publicKey),
  };
}

function blank(
  keys: Keys,
  subject: forge.pki.CertificateField[],
  issuer: forge.pki.CertificateField[],
): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = keys.publicKey;
  // Positive, and different each time (RFC 5280, 4.1.2.2).
  certificate.serialNumber = `01${randomBytes(15).toString("hex")}`;
  certificate.validity.notBefore = new Date(Date.now() - validMs);
  certificate.validity.notAfter = new Date(Date.now() + validMs);
  certificate.setSubject(subject);
  certificate.setIssuer(issuer);
  return certificate;
}
