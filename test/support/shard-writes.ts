import { createHash } from 'node:crypto';
import { blobPath, type ShardWriteKind, writePath } from '../../src/shared/read/writes.ts';
import type { Json } from './otlp-arbitraries.ts';

interface Answer {
  readonly status: number;
  readonly body: Json;
}

export async function postWrite(readUrl: string, kind: ShardWriteKind, body: unknown): Promise<Answer> {
  const response = await fetch(`${readUrl}${writePath(kind)}`, {
    method: 'POST',
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Json };
}

export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Uploads under the content's own hash unless another name is given. */
export async function putBlob(
  readUrl: string,
  content: string | Uint8Array<ArrayBuffer>,
  name = sha256(content),
): Promise<Answer> {
  const response = await fetch(`${readUrl}${blobPath(name)}`, { method: 'PUT', body: content });
  return { status: response.status, body: (await response.json()) as Json };
}

/** The bytes as text; `undefined` when the shard does not have the blob. */
export async function getBlob(readUrl: string, name: string): Promise<string | undefined> {
  const response = await fetch(`${readUrl}${blobPath(name)}`);
  const text = await response.text();
  if (response.status === 404) return undefined;
  if (response.status !== 200) throw new Error(`${response.status} ${text}`);
  return text;
}
