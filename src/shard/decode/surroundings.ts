import type { OtlpMessage, Resource } from './otlp.ts';
import { otlpJson } from './otlp-json.ts';

/** What all records of one scope share; the last two are JSON texts. */
export interface Surroundings {
  readonly service: string;
  readonly resource: string;
  readonly scope: string;
}

export function resourceJson({
  resource,
  schemaUrl,
}: {
  resource: Resource | null;
  schemaUrl: string;
}): string {
  return JSON.stringify({
    ...(resource && { resource: otlpJson(resource) }),
    ...(schemaUrl !== '' && { schemaUrl }),
  });
}

export function scopeJson({ scope, schemaUrl }: { scope: OtlpMessage | null; schemaUrl: string }): string {
  return JSON.stringify({ ...(scope && { scope: otlpJson(scope) }), ...(schemaUrl !== '' && { schemaUrl }) });
}
