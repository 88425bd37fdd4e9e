import type { Leaf } from './leaves.ts';
import { nearest } from './nearest.ts';

/** Set by people, but not settings: where the file is, and what the test runner tells the tests. */
const OTHER_VARIABLES = /^OTELFAN_(?:CONFIG$|TEST_)/;

/** Kubernetes sets these in every pod next to a Service whose name begins with `otelfan`. */
const SERVICE_LINKS = /_SERVICE_HOST$|_SERVICE_PORT(?:_[A-Z0-9_]+)?$|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?$/;
const SERVICE_LINK_VALUE = /^(?:tcp|udp|sctp):\/\//;

/** A misspelt variable would otherwise leave a default in place that nobody meant. */
export function unknownVariables(env: NodeJS.ProcessEnv, leaves: readonly Leaf[]): string[] {
  const known = leaves.map(leaf => leaf.envName);
  return Object.entries(env)
    .filter(([name]) => name.startsWith('OTELFAN_') && !known.includes(name) && !OTHER_VARIABLES.test(name))
    .filter(([name, value]) => !SERVICE_LINKS.test(name) && !SERVICE_LINK_VALUE.test(value ?? ''))
    .map(([name]) => `${name} (env) is not a setting; the nearest is ${nearest(name, known)}`);
}
