import type { ObservedEvent } from "../report-observed.js";

interface OcsfActivity {
  readonly classUid: 1001 | 1003 | 1007 | 4001 | 4002 | 4003;
  readonly activityId: number;
  /** For 99, "other". */
  readonly activityName?: string;
}

/** File system activity: create 1, update 3, delete 4, rename 5, set attributes 6, open 14. */
const fileActivities: Readonly<Record<string, number>> = {
  "file.create": 1,
  "file.mkdir": 1,
  "file.link": 1,
  "file.symlink": 1,
  "file.truncate": 3,
  "file.delete": 4,
  "file.rename": 5,
  "file.attributes": 6,
  "file.open": 14,
};
const methods: Readonly<Record<string, number>> = {
  CONNECT: 1,
  DELETE: 2,
  GET: 3,
  HEAD: 4,
  OPTIONS: 5,
  POST: 6,
  PUT: 7,
  TRACE: 8,
};

/** Undefined for what OCSF has no activity for: the frame of a record, gaps in it. */
export function activityOf({ type, method, verdict }: ObservedEvent): OcsfActivity | undefined {
  const fileActivity = fileActivities[type];
  if (fileActivity !== undefined) return { classUid: 1001, activityId: fileActivity };
  switch (type) {
    case "process.exec":
      return { classUid: 1007, activityId: 1 };
    case "process.exit":
      return { classUid: 1007, activityId: 2 };
    case "process.signal":
    case "resource.limit":
      return { classUid: 1007, activityId: 99, activityName: type };
    case "net.connect":
    case "net.send":
      return { classUid: 4001, activityId: verdict === "deny" || verdict === "expected-deny" ? 5 : 1 };
    case "net.close":
      return { classUid: 4001, activityId: 2 };
    case "net.listen":
      return { classUid: 4001, activityId: 7 };
    case "net.tls":
    case "net.bind":
    case "net.accept":
      return { classUid: 4001, activityId: 99, activityName: type };
    case "net.dns":
      return { classUid: 4003, activityId: 1 };
    case "net.http":
      return { classUid: 4002, ...httpActivity(method ?? "") };
    case "net.socket":
    case "privilege":
    case "syscall":
      return { classUid: 1003, activityId: 4 };
    default:
      return undefined;
  }
}

function httpActivity(method: string): { activityId: number; activityName?: string } {
  const known = methods[method];
  return known === undefined ? { activityId: 99, activityName: "other" } : { activityId: known };
}
