import { createHash } from 'node:crypto';
import { v5 as uuidv5 } from 'uuid';
import { badValue } from '../params.ts';

/** What names a write to its shard: sent again, it is stored once. */
export interface WriteIdentity {
  readonly id: string;
  /** Of what the client sent under a key of its own; then the answer to a repeat is the first one, too. */
  readonly fingerprint?: string;
}

type ParsedKey =
  | { readonly kind: 'key'; readonly key: string | undefined }
  | { readonly kind: 'bad'; readonly error: string };

const MAX_CHARS = 255;
const ACCEPTED = `1 to ${MAX_CHARS} visible ASCII characters, in double quotes or without quotes and commas`;
/** RFC 8941, section 3.3.3, without control characters. */
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
const BARE = /^[\x21\x23-\x2b\x2d-\x7e]+$/;

/**
 * The value of the header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07, section 2.1): a string as
 * RFC 8941 writes it, or, as many clients do, the same without quotes.
 */
export function parseIdempotencyKey(header: string | undefined): ParsedKey {
  if (header === undefined) return { kind: 'key', key: undefined };
  const text = header.trim();
  const quoted = QUOTED.exec(text)?.[1]?.replaceAll(/\\(.)/g, '$1');
  const key = quoted ?? BARE.exec(text)?.[0];
  if (key === undefined || key === '' || key.length > MAX_CHARS) {
    return { kind: 'bad', error: badValue('Idempotency-Key', header, ACCEPTED) };
  }
  return { kind: 'key', key };
}

/** Ours, for names that are made of keys. */
const NAMESPACE = '9d0c2a0e-6f0b-4c56-8f43-3b7a5d4d1e62';

/** @param scope what else the key belongs to: it names one write of a kind, on one path */
export function identityOf(
  key: string,
  { scope, body }: { readonly scope: readonly string[]; readonly body: Buffer },
): WriteIdentity {
  return {
    id: uuidv5(JSON.stringify([...scope, key]), NAMESPACE),
    fingerprint: createHash('sha256').update(body).digest('hex'),
  };
}
