/** The mount table of a process: proc_pid_mountinfo(5). */
export interface MountinfoEntry {
  /** The directory of the file system that is mounted here. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  readonly fsType: string;
  readonly superOptions: readonly string[];
}

export function parseMountinfo(text: string): readonly MountinfoEntry[] {
  const entries: MountinfoEntry[] = [];
  for (const line of text.split("\n")) {
    // The optional fields before the lone "-" vary in number, and no field before it can be "-".
    const [before, after] = line.split(" - ");
    if (before === undefined || after === undefined) continue;
    const [, , , root, mountPoint, options] = before.split(" ");
    const [fsType, , superOptions] = after.split(" ");
    if (root === undefined || mountPoint === undefined || options === undefined || fsType === undefined)
      continue;
    entries.push({
      root: unescapeOctal(root),
      mountPoint: unescapeOctal(mountPoint),
      options: options.split(","),
      fsType,
      superOptions: (superOptions ?? "").split(","),
    });
  }
  return entries;
}

/** The kernel writes space, tab, newline and backslash of a path as three octal digits. */
function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
