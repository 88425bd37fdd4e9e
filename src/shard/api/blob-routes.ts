import type { ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import { dropWhenStalled } from '../../shared/drop-when-stalled.ts';
import { BLOB_NOT_FOUND, MAX_BLOB_BYTES, SHA256_FORM, type StoredBlob } from '../../shared/read/writes.ts';
import type { Clock } from '../../shared/time.ts';
import { readBlob, sha256Hex } from '../store/blobs.ts';
import type { Database } from '../store/database.ts';
import { emptyRecords } from '../store/tables.ts';
import type { Writer } from '../store/writer.ts';
import { readBytes, sendError, sendJson, sendNotStored } from './bodies.ts';
import type { Route } from './route.ts';

const PATH = /^blobs\/([^/]+)$/;

export interface BlobUploadDeps {
  readonly writer: Pick<Writer, 'write'>;
  readonly clock: Clock;
  /** How long an upload is kept although nothing names it. */
  readonly pinMs: number;
}

/** `PUT blobs/<sha256>` (see the write contract). */
export function createBlobUploadRoute({ writer, clock, pinMs }: BlobUploadDeps): Route {
  return {
    method: 'PUT',
    path: PATH,
    async handle({ request, response, name: sha256 }) {
      if (!SHA256_FORM.test(sha256)) return sendNotAHash(response, sha256);
      const body = await readBytes(request, MAX_BLOB_BYTES);
      if (body.kind === 'refused') return sendError(response, body);
      const actual = sha256Hex(body.value);
      if (actual !== sha256) {
        const message = `the body has the SHA-256 ${actual}, the path names ${sha256}`;
        return sendError(response, { status: 400, message });
      }
      const blob = { sha256, content: body.value, pinnedUntilMs: clock.now() + pinMs };
      const records = { ...emptyRecords(), blobs: [blob] };
      const outcome = await writer.write({ id: undefined, slices: [{ exportId: undefined, records }] });
      if (outcome.kind !== 'stored') return sendNotStored(response, outcome);
      const stored: StoredBlob = { sha256, size: body.value.length };
      sendJson(response, JSON.stringify(stored));
    },
  };
}

/** `GET blobs/<sha256>` (see the write contract). */
export function createBlobRoute(database: Database): Route {
  return {
    method: 'GET',
    path: PATH,
    async handle({ response, name: sha256 }) {
      if (!SHA256_FORM.test(sha256)) return sendNotAHash(response, sha256);
      const bytes = await readBlob(database, sha256);
      if (bytes === undefined) return sendError(response, { status: 404, message: BLOB_NOT_FOUND });
      if (sha256Hex(bytes) !== sha256) throw new Error(`stored blob ${sha256} has another hash`);
      dropWhenStalled(response);
      response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes.length });
      response.end(bytes);
      await finished(response);
    },
  };
}

function sendNotAHash(response: ServerResponse, name: string): void {
  const message = `blob "${name.slice(0, 200)}" is not a SHA-256: 64 lower-case hex digits are expected`;
  sendError(response, { status: 400, message });
}
