import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** One decoy: where it stands, and the random text that shows where it went. */
export interface Decoy {
  /** "~/.aws/credentials", "AWS_SECRET_ACCESS_KEY". */
  readonly name: string;
  readonly token: string;
  /** Inside, absolute; undefined for a variable. */
  readonly path?: string;
}

export interface Bait {
  /** As the programs see it. */
  readonly home: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly decoys: readonly Decoy[];
}

/** Letters and digits alone, as in most credentials: percent-encoding leaves them as they are. */
function token(prefix = "", length = 32): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  return prefix + Array.from(randomBytes(length), (byte) => alphabet[byte % alphabet.length]).join("");
}

type Template = readonly [path: string, content: (secret: string) => string, prefix?: string];

const files: readonly Template[] = [
  [
    ".aws/credentials",
    (secret) => `[default]\naws_access_key_id = AKIA7QX2M4ZL9VTR5WPD\naws_secret_access_key = ${secret}\n`,
  ],
  [
    ".ssh/id_rsa",
    (secret) =>
      `-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA${secret}\n-----END OPENSSH PRIVATE KEY-----\n`,
  ],
  [".netrc", (secret) => `machine git.corp.internal login deploy password ${secret}\n`],
  [".npmrc", (secret) => `//registry.corp.internal/:_authToken=${secret}\n`, "npm_"],
  [
    ".kube/config",
    (secret) => `apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    token: ${secret}\n`,
  ],
  [".env", (secret) => `DATABASE_URL=postgres://app:${secret}@db.corp.internal/app\n`],
  [".git-credentials", (secret) => `https://deploy:${secret}@git.corp.internal\n`, "ghp_"],
  [
    ".config/google-chrome/Default/Login Data",
    (secret) => `SQLite format 3\0logins https://mail.corp.internal alice ${secret}\n`,
  ],
  [".docker/config.json", (secret) => `{"auths":{"registry.corp.internal":{"auth":"${secret}"}}}\n`],
  [".config/gh/hosts.yml", (secret) => `github.com:\n    oauth_token: ${secret}\n    user: alice\n`, "gho_"],
];

const variables: Readonly<Record<string, string>> = {
  AWS_SECRET_ACCESS_KEY: "",
  GITHUB_TOKEN: "ghp_",
  OPENAI_API_KEY: "sk-",
  DATABASE_PASSWORD: "",
};

/** Files that are no secret, for who looks round or destroys. */
const furniture: Readonly<Record<string, string>> = {
  ".bashrc": "# ~/.bashrc\nalias ll='ls -l'\n",
  ".profile": "# ~/.profile\n",
  "Documents/notes.txt": "call back on Monday\n",
  "Documents/budget.csv": "month,amount\n1,200\n",
};

/** Writes decoys below `folder`, which must be empty and is shown to the programs as `home`. */
export function layBait(folder: string, home: string): Bait {
  const decoys: Decoy[] = [];
  const write = (path: string, content: string): string => {
    const whole = join(folder, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, content);
    return join(home, path);
  };
  for (const [path, content, prefix] of files) {
    const secret = token(prefix);
    decoys.push({ name: `~/${path}`, token: secret, path: write(path, content(secret)) });
  }
  for (const [path, content] of Object.entries(furniture)) write(path, content);
  const environment: Record<string, string> = {};
  for (const [name, prefix] of Object.entries(variables)) {
    environment[name] = token(prefix);
    decoys.push({ name, token: environment[name] });
  }
  return { home, environment, decoys };
}
