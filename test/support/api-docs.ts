import { readFileSync } from 'node:fs';
import type { Json } from './otlp-arbitraries.ts';

const TEXT = readFileSync(new URL('../../docs/API.md', import.meta.url), 'utf8');

/** The answer that docs/API.md shows to `curl` of a path; what it leaves out with `…` is left out here. */
export function exampleOf(path: string): Json {
  const asked = [`curl http://127.0.0.1:7701${path}\n`, `curl 'http://127.0.0.1:7701${path}'\n`];
  const at = asked.map(line => TEXT.indexOf(`${line}\`\`\`\n\`\`\`json\n`)).find(start => start >= 0);
  if (at === undefined) throw new Error(`docs/API.md has no example of ${path}`);
  const start = TEXT.indexOf('```json\n', at) + '```json\n'.length;
  return JSON.parse(TEXT.slice(start, TEXT.indexOf('\n```', start)).replace(/,\s*…/g, '')) as Json;
}
