import { createHash } from 'node:crypto';
import type { Blob } from '../store/tables.ts';

/** A text as a blob of its UTF-8 bytes. */
export function textBlob(text: string): Blob {
  const content = Buffer.from(text);
  return { sha256: createHash('sha256').update(content).digest('hex'), content, pinnedUntilMs: null };
}
