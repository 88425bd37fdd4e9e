import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';

const ROOT = join(import.meta.dirname, '..', '..');

/** The text of a file of the repository, by its path below the root. */
export function repositoryFile(...path: readonly string[]): string {
  return readFileSync(join(ROOT, ...path), 'utf8');
}

export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Recording {
  readonly record: string;
  readonly expr: string;
}

/** The rules of `deploy/prometheus/alerts.yaml`. */
export function prometheusRules(): {
  readonly alerts: readonly Alert[];
  readonly recordings: readonly Recording[];
} {
  const { groups } = parse(repositoryFile('deploy', 'prometheus', 'alerts.yaml')) as {
    groups: { rules: (Alert | Recording)[] }[];
  };
  const rules = groups.flatMap(group => group.rules);
  return {
    alerts: rules.filter(rule => 'alert' in rule),
    recordings: rules.filter(rule => 'record' in rule),
  };
}

/** An object of Kubernetes; only tests look into it, at what they expect to be there. */
// biome-ignore lint/suspicious/noExplicitAny: as deep as the schema of Kubernetes
export type Manifest = any;

/** Every object of one file of `deploy/k8s`. */
export function manifests(file: string): Manifest[] {
  return parseAllDocuments(repositoryFile('deploy', 'k8s', file)).map(document => {
    if (document.errors.length > 0) throw new Error(`${file}: ${document.errors.join('; ')}`);
    return document.toJS() as Manifest;
  });
}
