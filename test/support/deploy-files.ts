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

type Labels = Readonly<Record<string, string>>;

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Container {
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  readonly resources: { readonly limits: { readonly memory: string } };
  readonly securityContext: object;
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly subPath?: string;
  }[];
}

interface PodSpec {
  readonly securityContext: object;
  readonly containers: readonly [Container];
  readonly terminationGracePeriodSeconds: number;
  readonly topologySpreadConstraints: readonly { readonly labelSelector: { readonly matchLabels: Labels } }[];
  readonly volumes: readonly object[];
}

interface VolumeClaim {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly resources: { readonly requests: { readonly storage: string } } };
}

interface PolicyRule {
  readonly from: readonly object[];
  readonly ports: readonly { readonly port: number }[];
}

/** An object of Kubernetes, of any kind: it has the members that its kind has. */
export interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data: Readonly<Record<string, string>>;
  readonly spec: {
    readonly replicas?: number;
    readonly serviceName: string;
    readonly template: { readonly metadata: { readonly labels: Labels }; readonly spec: PodSpec };
    readonly volumeClaimTemplates: readonly [VolumeClaim];
    readonly persistentVolumeClaimRetentionPolicy: object;
    readonly selector: Labels & { readonly matchLabels: Labels };
    readonly ports: readonly { readonly port: number; readonly targetPort: string }[];
    readonly podSelector: { readonly matchLabels?: Labels };
    readonly ingress: readonly PolicyRule[];
    readonly egress?: readonly object[];
    readonly minAvailable: number;
    readonly minReplicas: number;
    readonly scaleTargetRef: { readonly kind: string; readonly name: string };
    readonly metrics: readonly { readonly external?: { readonly metric: { readonly name: string } } }[];
  };
}

/** Every object of one file of `deploy/k8s`. */
export function manifests<T = Manifest>(file: string): T[] {
  return parseAllDocuments(repositoryFile('deploy', 'k8s', file)).map(document => {
    if (document.errors.length > 0) throw new Error(`${file}: ${document.errors.join('; ')}`);
    return document.toJS() as T;
  });
}

/** The object of that kind and name in one file of `deploy/k8s`. */
export function manifest(file: string, kind: string, name: string): Manifest {
  const found = manifests(file).find(object => object.kind === kind && object.metadata.name === name);
  if (found === undefined) throw new Error(`${file} has no ${kind} ${name}`);
  return found;
}

/** The pods of a part, as its Deployment or StatefulSet makes them. */
export function podsOf(part: 'ingest' | 'query' | 'shard'): Manifest {
  return manifest(`${part}.yaml`, part === 'shard' ? 'StatefulSet' : 'Deployment', part);
}
