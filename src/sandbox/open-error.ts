import { SkillboxError } from "../errors.js";

/** open(2)'s answer. */
export class OpenError extends Error {
  readonly errno: string;

  constructor(errno: string) {
    super(errno);
    this.errno = errno;
  }
}

export function fileError(path: string, access: "read" | "write", errno: string): SkillboxError {
  const reason = errno === "EINVAL" ? "not the absolute path of a regular file" : errno;
  return new SkillboxError(
    "ERR_FILE",
    `${path} cannot be ${access === "read" ? "read" : "written"} in the sandbox: ${reason}`,
    {
      stage: "file",
      errno,
      ...(errno === "ENOENT" || errno === "EROFS" || errno === "EACCES"
        ? {
            hint: "paths are as the programs see them; /tmp, $HOME and what the policy grants to write are writable",
          }
        : {}),
    },
  );
}
