import { isObject, listOf, stringOf, textOf, type JsonObject, type RecordedEvent } from "./read-event.js";

export type Access =
  "executed" | "written" | "created" | "deleted" | "renamed" | "attributes" | "read" | "looked at";

export interface PathUse {
  readonly path: string;
  readonly access: Access;
}

/** The paths that an event is about, and what happens to each. Absolute, unless the record has them only as they were given. */
export function pathsOf(event: RecordedEvent): readonly PathUse[] {
  const { args, type } = event;
  const uses: PathUse[] = [];
  const add = (value: unknown, access: Access): void => {
    const path = textOf(value);
    if (path !== undefined && path !== "") uses.push({ path, access });
  };
  switch (type) {
    case "file.rename":
      add(args["oldpath"], "renamed");
      add(args["newpath"], "created");
      break;
    case "file.link":
      add(args["oldpath"], "read");
      add(args["newpath"], "created");
      break;
    case "file.symlink":
      add(args["linkpath"], "created");
      break;
    default:
      for (const name of pathArguments) add(args[name], accessOf(event));
  }
  const address = addressOf(event);
  if (address !== undefined) add(address["path"], "looked at");
  return uses;
}

/** Arguments of signatures.ts of kind path, but for those of links and renames. */
const pathArguments = [
  "path",
  "library",
  "target",
  "new_root",
  "put_old",
  "from_path",
  "to_path",
  "filename",
  "special",
];

function accessOf(event: RecordedEvent): Access {
  switch (event.type) {
    case "process.exec":
      return "executed";
    case "file.open":
      return opensForWriting(event) ? "written" : "read";
    case "file.create":
    case "file.mkdir":
      return "created";
    case "file.delete":
      return "deleted";
    case "file.truncate":
      return "written";
    case "file.attributes":
      return "attributes";
    default:
      return "looked at";
  }
}

function opensForWriting({ syscall, args }: RecordedEvent): boolean {
  return syscall === "creat" || openFlagsOf(args).some((flag) => writingFlags.has(flag));
}

export function openFlagsOf(args: JsonObject): readonly string[] {
  const how = args["how"];
  return listOf(isObject(how) ? how["flags"] : args["flags"], stringOf);
}

const writingFlags = new Set(["O_WRONLY", "O_RDWR", "O_ACCMODE", "O_CREAT", "O_TRUNC", "O_TMPFILE"]);

/** The sockaddr of an event. */
export function addressOf({ args }: RecordedEvent): JsonObject | undefined {
  for (const name of ["addr", "dest_addr", "msg", "msgvec"]) {
    const value = args[name];
    if (isObject(value) && !("unreadable" in value)) return value;
  }
  return undefined;
}
