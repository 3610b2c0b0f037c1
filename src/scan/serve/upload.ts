import { createWriteStream } from "node:fs";
import type { IncomingMessage } from "node:http";
import { pipeline } from "node:stream/promises";
import busboy from "busboy";
import { Refusal } from "./refusal.js";

const uploadBytes = 100 * 1024 * 1024;

/**
 * Writes the one part `file` of a multipart body to `target`. Rejects with 400, 413 or 415, and with the signal's reason; the rest of
 * the body is not read then. Other fields are options of other analyzers.
 */
export async function receiveUpload(
  request: IncomingMessage,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  if (Number(request.headers["content-length"] ?? 0) > uploadBytes + 64 * 1024) throw tooLarge();
  const parser = parserFor(request);
  const writes: Promise<void>[] = [];
  let refused: Refusal | undefined;
  const refuse = (refusal: Refusal): void => {
    refused ??= refusal;
    parser.destroy(refused);
  };
  // pipeline() below tells of it; one more may come after pipeline() is done, and must not end the service.
  parser.on("error", () => undefined);
  parser.on("file", (name, stream, { filename }) => {
    // A part's stream fails with its parser.
    stream.on("error", () => undefined);
    if (name !== "file" || writes.length > 0) {
      stream.resume();
      refuse(new Refusal(400, "exactly one part is a file, and its name is `file`"));
      return;
    }
    // busboy's types do not know that a part may come without a name for its file.
    if (!`${filename}`.toLowerCase().endsWith(".zip")) {
      refuse(new Refusal(400, "the file has to be a .zip archive"));
    }
    stream.on("limit", () => {
      refuse(tooLarge());
    });
    const write = pipeline(stream, createWriteStream(target, { flags: "wx", mode: 0o600 }), { signal });
    // Waited for below; until then a failure must not be one that nobody hears of.
    write.catch(() => undefined);
    writes.push(write);
  });
  for (const limit of ["partsLimit", "filesLimit", "fieldsLimit"]) {
    parser.on(limit, () => {
      refuse(new Refusal(400, "the form has too many parts"));
    });
  }
  try {
    await pipeline(request, parser, { signal });
    await Promise.all(writes);
  } catch (cause) {
    if (refused !== undefined) throw refused;
    if (signal.aborted) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Refusal(400, `the form cannot be read: ${why}`, { cause });
  }
  if (writes.length === 0) throw new Refusal(400, "the form has no part `file`");
}

function parserFor(request: IncomingMessage): busboy.Busboy {
  const limits = {
    files: 2,
    fileSize: uploadBytes,
    fields: 64,
    fieldSize: 4096,
    fieldNameSize: 100,
    parts: 66,
  };
  try {
    return busboy({ headers: request.headers, limits });
  } catch (cause) {
    throw new Refusal(415, "the body has to be multipart/form-data with a part `file`", { cause });
  }
}

function tooLarge(): Refusal {
  return new Refusal(413, `at most ${uploadBytes} bytes are taken`);
}
