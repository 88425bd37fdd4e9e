import type { IncomingMessage } from 'node:http';
import { NO_POOL } from '../../shared/buffer-pool.ts';
import { createAdmission, type Place } from '../../shared/otlp/admission.ts';
import { ACCEPTED_ENCODINGS, type Compression, compressionNamed } from '../../shared/otlp/decompress.ts';
import { isRefusal, type Refusal } from '../../shared/otlp/door.ts';
import { plainBody, readBody, startBody } from '../../shared/otlp/http-body.ts';
import { MAX_BLOB_BYTES } from '../../shared/read/writes.ts';
import { badValue } from '../params.ts';

export interface UploadLimits {
  /** Of the bodies of all writes that are in hand. */
  readonly maxBytes: number;
  /** From the head of a request to the end of its body. */
  readonly uploadTimeoutMs: number;
}

export interface UploadsOptions extends UploadLimits {
  /** Told of every upload that was refused, with the setting that bounds it. */
  readonly onRefused?: ((setting: string) => void) | undefined;
}

/** The bodies of writes, bounded in size, in time, and in what they take together. */
export interface Uploads {
  read(request: IncomingMessage): Promise<Upload>;
  /** Bytes that are held. */
  sizeBytes(): number;
}

type Upload =
  /** Uncompressed; held until it is released. */
  | { readonly kind: 'body'; readonly body: Buffer; release(): void }
  /** The rest of the body is left unread. */
  | { readonly kind: 'refused'; readonly status: 400 | 408 | 413 | 415 | 503; readonly error: string }
  /** The client left. */
  | { readonly kind: 'gone' };

/** Of every body, before and after decompression (read API contract §0.4, §1.6). */
const MAX_BODY_BYTES = MAX_BLOB_BYTES;
/** An upload is bounded as a whole, so that it may pause. */
const ANY_SILENCE_MS = 0;

export function createUploads({ maxBytes, uploadTimeoutMs, onRefused }: UploadsOptions): Uploads {
  const bytesSetting = 'query.writes.maxBytes';
  const remedy = `raise ${bytesSetting}`;
  const admission = createAdmission({
    bytesInFlight: { most: maxBytes, remedy, onRefused: () => onRefused?.(bytesSetting) },
    // One that has sent nothing holds nothing, and does not stay for long.
    requests: { most: Number.POSITIVE_INFINITY, remedy },
    reasons: [],
    buffers: NO_POOL,
  });

  async function readInto(place: Place, request: IncomingMessage): Promise<Upload> {
    const compression = compressionOf(request);
    if (compression === undefined) {
      const error = badValue(
        'content-encoding',
        request.headers['content-encoding'] ?? '',
        ACCEPTED_ENCODINGS,
      );
      return { kind: 'refused', status: 415, error };
    }
    const limits = { maxRequestBytes: MAX_BODY_BYTES, place };
    const body = startBody(request, limits);
    if (isRefusal(body)) return refused(body);
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), uploadTimeoutMs);
    const arrival = await readBody(request, body, ANY_SILENCE_MS, late.signal);
    clearTimeout(timer);
    if (late.signal.aborted) {
      const error = `the body did not arrive within ${uploadTimeoutMs} ms (query.writes.uploadTimeout)`;
      return { kind: 'refused', status: 408, error };
    }
    if (arrival === 'aborted') return { kind: 'gone' };
    if (arrival !== 'whole') return refused(arrival);
    const bytes = await plainBody(body, compression, limits);
    if (isRefusal(bytes)) return refused(bytes);
    return { kind: 'body', body: bytes, release: () => place.leave() };
  }

  function refused({ condition, message }: Refusal): Upload {
    if (condition === 'tooLarge') {
      return { kind: 'refused', status: 413, error: `the body is larger than ${MAX_BODY_BYTES} bytes` };
    }
    if (condition !== 'unavailable') return { kind: 'refused', status: 400, error: message };
    const error = `too much is being written: the bodies in hand would be larger than ${bytesSetting} (${maxBytes} bytes)`;
    return { kind: 'refused', status: 503, error };
  }

  return {
    async read(request) {
      const place = admission.enter();
      if (isRefusal(place)) return refused(place);
      const upload = await readInto(place, request);
      if (upload.kind !== 'body') place.leave();
      return upload;
    },
    sizeBytes: admission.bytes,
  };
}

function compressionOf({ headers }: IncomingMessage): Compression | 'identity' | undefined {
  const given = headers['content-encoding'];
  return given === undefined ? 'identity' : compressionNamed(given.trim().toLowerCase());
}
