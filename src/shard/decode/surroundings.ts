import type { OtlpTypes } from '../../shared/otlp/messages.ts';
import type { Hash } from '../../shared/topology/hash.ts';
import { createForgetfulMap } from '../forgetful-map.ts';
import type { Source } from '../store/tables.ts';
import { serviceOf } from './attributes.ts';
import type { OtlpMessage, Resource } from './otlp.ts';
import { sourceOf } from './source.ts';

/** What all records of one scope of one request share. */
export interface Surroundings {
  /** For spans and logs. */
  readonly service: string;
  readonly metricService: string;
  readonly source: Source;
  /** Hash of the bytes of the resource, the scope and their schema URLs, absent ones being empty. */
  readonly hash: bigint;
}

/** The encoded parts of an envelope, in the order of their hash. */
export interface EnvelopeBytes {
  readonly resource: Buffer | undefined;
  readonly resourceSchemaUrl: Buffer;
  readonly scope: Buffer | undefined;
  readonly scopeSchemaUrl: Buffer;
}

export interface SurroundingsCache {
  of(envelope: EnvelopeBytes): Surroundings;
}

const MAX_CHARS = 16 * 1024 * 1024;

/** The same few resources and scopes come in every request, and decoding one costs as much as some spans. */
export function createSurroundingsCache({
  types,
  hash,
  maxChars = MAX_CHARS,
}: {
  types: OtlpTypes;
  hash: Hash;
  maxChars?: number;
}): SurroundingsCache {
  const cached = createForgetfulMap<string, Surroundings>(maxChars);
  const decode = ({ resource, resourceSchemaUrl, scope, scopeSchemaUrl }: EnvelopeBytes): Surroundings => {
    const message = resource && (types.message('Resource').decode(resource) as unknown as Resource);
    const inResource = { resource: message ?? null, schemaUrl: resourceSchemaUrl.toString() };
    const inScope = {
      scope: scope ? (types.message('InstrumentationScope').decode(scope) as unknown as OtlpMessage) : null,
      schemaUrl: scopeSchemaUrl.toString(),
    };
    let bytesHash = 0n;
    for (const bytes of [resource, resourceSchemaUrl, scope, scopeSchemaUrl])
      bytesHash = hash.hash64(bytes ?? NOTHING, bytesHash);
    return {
      service: serviceOf(inResource.resource, 'are empty'),
      metricService: serviceOf(inResource.resource, 'are skipped'),
      source: sourceOf(inResource, inScope),
      hash: bytesHash,
    };
  };
  return {
    of(envelope) {
      const key = keyOf(envelope);
      const known = cached.get(key);
      if (known !== undefined) return known;
      const surroundings = decode(envelope);
      const { resource, scope } = surroundings.source;
      cached.add(key, surroundings, key.length + resource.length + scope.length);
      return surroundings;
    },
  };
}

const NOTHING = new Uint8Array();

/** The bytes and where each part ends. */
function keyOf({ resource, resourceSchemaUrl, scope, scopeSchemaUrl }: EnvelopeBytes): string {
  const parts = [resource, resourceSchemaUrl, scope, scopeSchemaUrl];
  const sizes = parts.map(part => part?.length ?? -1).join(' ');
  return sizes + parts.map(part => part?.toString('latin1') ?? '').join('');
}
