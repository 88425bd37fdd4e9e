import type { Source } from '../store/tables.ts';
import type { OtlpMessage, Resource } from './otlp.ts';
import { otlpJson } from './otlp-json.ts';

interface InResource {
  readonly resource: Resource | null;
  readonly schemaUrl: string;
}

interface InScope {
  readonly scope: OtlpMessage | null;
  readonly schemaUrl: string;
}

export function sourceOf(inResource: InResource, inScope: InScope): Source {
  return { resource: resourceJson(inResource), scope: scopeJson(inScope) };
}

function resourceJson({ resource, schemaUrl }: InResource): string {
  return JSON.stringify({
    ...(resource && { resource: otlpJson(resource) }),
    ...(schemaUrl !== '' && { schemaUrl }),
  });
}

function scopeJson({ scope, schemaUrl }: InScope): string {
  return JSON.stringify({ ...(scope && { scope: otlpJson(scope) }), ...(schemaUrl !== '' && { schemaUrl }) });
}
