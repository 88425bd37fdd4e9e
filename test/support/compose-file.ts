import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

interface ComposeService {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export const COMPOSE_FILE = join(import.meta.dirname, '..', '..', 'docker-compose.yml');

/** The services of `docker-compose.yml`, anchors and merges resolved as Compose does. */
export function composeServices(): Readonly<Record<string, ComposeService>> {
  const file = parse(readFileSync(COMPOSE_FILE, 'utf8'), { merge: true }) as {
    services: Record<string, ComposeService>;
  };
  return file.services;
}

/** Those of them that run our image, by the first word of their command. */
export function otelfanServices(command: string): [name: string, service: Required<ComposeService>][] {
  return Object.entries(composeServices()).filter(
    (entry): entry is [string, Required<ComposeService>] => entry[1].command?.[0] === command,
  );
}
