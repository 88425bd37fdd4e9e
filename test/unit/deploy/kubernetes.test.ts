import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkConfigCommand } from '../../../src/cli/check-config.ts';
import { ingestCommand } from '../../../src/cli/ingest.ts';
import { queryCommand } from '../../../src/cli/query.ts';
import { shardCommand } from '../../../src/cli/shard.ts';
import { loadConfig } from '../../../src/shared/config/load.ts';
import { parseSizeBytes } from '../../../src/shared/config/units.ts';
import { createHash } from '../../../src/shared/topology/hash.ts';
import { createTopology, type Topology, type TopologySpec } from '../../../src/shared/topology/topology.ts';
import { type Manifest, manifests, podsOf, repositoryFile } from '../../support/deploy-files.ts';

const hash = await createHash();
const NOT_APPLIED = ['kustomization.yaml', 'prometheus-adapter.yaml', 'shard-task.yaml'];
const files = readdirSync(join('deploy', 'k8s')).filter(
  file => file.endsWith('.yaml') && !NOT_APPLIED.includes(file),
);
const objects = files.flatMap(file => manifests(file));
function of(kind: string, name: string): Manifest {
  const found = objects.find(object => object.kind === kind && object.metadata.name === name);
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

const COMMANDS = { ingest: ingestCommand, query: queryCommand, shard: shardCommand };
const PARTS = ['ingest', 'query', 'shard'] as const;
type Part = (typeof PARTS)[number];
const pod = (part: Part) => podsOf(part).spec.template.spec;
const container = (part: Part) => pod(part).containers[0];
const COMPONENT = 'app.kubernetes.io/component';

/** Of the environment, what Kubernetes gets from elsewhere. */
const FROM_ELSEWHERE = { OTELFAN_QUEUE_REDIS_URL: 'redis://redis:6379' };
const configText = of('ConfigMap', 'otelfan').data['otelfan.yaml'] ?? '';

let folder: string;
let configFile: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'otelfan-k8s-'));
  configFile = join(folder, 'otelfan.yaml');
  writeFileSync(configFile, configText);
});
afterAll(() => rmSync(folder, { recursive: true }));

function configOf() {
  const loaded = loadConfig({ env: FROM_ELSEWHERE, file: configFile });
  if (!loaded.ok) throw new Error(loaded.errors.join('; '));
  return loaded.config;
}

/** Kubernetes' `4Gi` as bytes. */
const bytesOf = (quantity: string) => parseSizeBytes(`${quantity}B`) ?? Number.NaN;

const DEFAULTS = loadConfig({ env: {} });
if (!DEFAULTS.ok) throw new Error('the defaults are not valid');
const { ingest, query, shard } = DEFAULTS.config;
const PORTS: Readonly<Record<Part, Readonly<Record<string, number>>>> = {
  ingest: {
    'otlp-grpc': ingest.grpc.port,
    'otlp-http': ingest.http.port,
    health: ingest.health.port,
    metrics: ingest.metrics.port,
  },
  query: { api: query.http.port },
  shard: { 'otlp-http': shard.otlp.port, read: shard.read.port },
};

describe('deploy/k8s', () => {
  it('applies every file that it has', () => {
    const [kustomization] = manifests<{ resources: string[] }>('kustomization.yaml');
    expect(kustomization?.resources.toSorted()).toEqual(files.toSorted());
  });

  it('has a configuration that is valid, and warns of nothing but that whoever reaches a port may use it', () => {
    let out = '';
    const io = { write: (text: string) => (out += text) };
    const env = { ...FROM_ELSEWHERE };
    const code = checkConfigCommand(['--config', configFile, '--json'], {
      stdout: io,
      stderr: io,
      isTty: false,
      env,
    });
    expect([code, (JSON.parse(out) as { warnings: string[] }).warnings]).toEqual([
      0,
      [expect.stringContaining('there is no authentication')],
    ]);
  });

  it('names its pods as shards, at the address that each has, and no others', () => {
    const { spec } = podsOf('shard');
    expect(configOf().topology?.shards).toEqual(
      Array.from({ length: spec.replicas ?? 0 }, (_, index) =>
        expect.objectContaining({
          id: `shard-${index}`,
          otlp: `http://shard-${index}.${spec.serviceName}:${PORTS.shard['otlp-http']}`,
          read: `http://shard-${index}.${spec.serviceName}:${PORTS.shard.read}`,
        }),
      ),
    );
  });

  it('finds a shard that takes no writes, since it can be read', () => {
    expect(of('Service', podsOf('shard').spec.serviceName).spec).toMatchObject({
      clusterIP: 'None',
      publishNotReadyAddresses: true,
    });
  });

  it('keeps the volumes of shards, which hold the only copy, with room for more than what is kept', () => {
    const { persistentVolumeClaimRetentionPolicy: policy, volumeClaimTemplates } = podsOf('shard').spec;
    expect(policy).toEqual({ whenDeleted: 'Retain', whenScaled: 'Retain' });
    const [claim] = volumeClaimTemplates;
    const { retention, minFreeBytes } = configOf().shard;
    const roomBytes = bytesOf(claim.spec.resources.requests.storage);
    expect(roomBytes).toBeGreaterThan(1.2 * retention.maxBytes + minFreeBytes);
    const { mountPath } = container('shard').volumeMounts.find(
      ({ name }) => name === claim.metadata.name,
    ) ?? { mountPath: undefined };
    expect(configOf().dataDir).toBe(mountPath);
  });

  it('gives every part the memory that its settings may take', () => {
    const { ingest: ofIngest, shard: ofShard } = configOf();
    const limit = (part: Part) => bytesOf(container(part).resources.limits.memory);
    const workerBytes = 256 * 1024 ** 2 + 4 * ofIngest.maxBytesInFlight;
    expect(limit('ingest')).toBeGreaterThan(ofIngest.workers * workerBytes);
    expect(limit('shard')).toBeGreaterThan(ofShard.memoryLimit * (1 + 1 / 16) + 512 * 1024 ** 2);
  });

  it('needs a Redis of twice the size of the queue: from 80 % of its memory on it takes nothing', () => {
    const [, maxMemory = ''] =
      /^maxmemory (\d+)gb$/m.exec(repositoryFile('deploy', 'k8s', 'redis.conf')) ?? [];
    const { maxBytes, maxShardBytes } = configOf().queue;
    expect(0.5 * Number(maxMemory) * 1024 ** 3).toBeGreaterThan(maxBytes);
    expect(0.5 * maxBytes).toBeGreaterThan(maxShardBytes);
  });

  it('lets a pod start whose shard is in the topology as removed, and is then not read or sent to', () => {
    const topology = configOf().topology as NonNullable<ReturnType<typeof configOf>['topology']>;
    const added = { id: 'shard-3', otlp: 'http://shard-3.shard:4318', read: 'http://shard-3.shard:7800' };
    const shards = [...topology.shards, { ...added, state: 'removed' }];
    const text = JSON.stringify({ ...topology, version: 2, shards });
    const loaded = loadConfig({ env: { OTELFAN_TOPOLOGY: text } });
    expect(loaded).toMatchObject({ ok: true });
    const [kept, next] = [topology, loaded.ok ? loaded.config.topology : undefined].map(spec =>
      createTopology(spec as TopologySpec, hash),
    ) as [Topology, Topology];
    expect(next.shards.map(({ id }) => id)).toEqual(kept.shards.map(({ id }) => id));
    expect(next.owners).toEqual(kept.owners);
  });

  it('has a job for the data of a stopped shard that may do what its pod may', async () => {
    const [job] = manifests<Manifest>('shard-task.yaml') as [Manifest];
    const { securityContext, containers, volumes } = job.spec.template.spec;
    const shardPod = pod('shard');
    expect(securityContext).toEqual(shardPod.securityContext);
    const [task] = containers;
    expect(task.securityContext).toEqual(container('shard').securityContext);
    expect(task.resources).toEqual(container('shard').resources);
    const [, id = ''] = /--id (\S+)/.exec(task.args.join(' ')) ?? [];
    expect(configOf().topology?.shards.map(shard => shard.id)).toContain(id);
    expect(JSON.stringify(volumes)).toContain(`"claimName":"data-${id}"`);
    let help = '';
    const io = { write: (text: string) => (help += text) };
    const argv = [...task.args.slice(1), '--help'];
    const code = await shardCommand(argv, { stdout: io, stderr: io, isTty: false, env: {} });
    expect([code, help]).toEqual([0, expect.stringContaining('otelfan shard verify')]);
  });

  it.each(PARTS)('runs %s with arguments that it takes', async part => {
    let help = '';
    const io = { write: (text: string) => (help += text) };
    const args = container(part).args.map(arg => arg.replace('$(POD_NAME)', 'shard-0'));
    expect(args[0]).toBe(part);
    const code = await COMMANDS[part]([...args.slice(1), '--help'], {
      stdout: io,
      stderr: io,
      isTty: false,
      env: {},
    });
    expect([code, help]).toEqual([0, expect.stringContaining(`otelfan ${part}`)]);
  });

  it.each(PARTS)('gives %s a configuration and variables that there are', part => {
    const { env, volumeMounts } = container(part);
    const variables = env.filter(({ name }) => name.startsWith('OTELFAN_'));
    const values = variables.map(({ name, value }) => [name, value ?? 'redis://x'] as const);
    const given = { ...Object.fromEntries(values), OTELFAN_CONFIG: configFile };
    expect(loadConfig({ env: given })).toMatchObject({ ok: true });
    const [, path = ''] = values.find(([name]) => name === 'OTELFAN_CONFIG') ?? [];
    const mount = volumeMounts.find(({ name }) => name === 'config');
    expect(path).toBe(`${mount?.mountPath}/otelfan.yaml`);
    // With a subPath a change of the topology would never be seen.
    expect(mount?.subPath).toBeUndefined();
  });

  it.each(PARTS)('opens the ports of %s that it listens on by default, and only those', part => {
    const ports = container(part).ports.map(({ name, containerPort }) => [name, containerPort]);
    expect(Object.fromEntries(ports)).toEqual(PORTS[part]);
  });

  it.each(PARTS)('probes %s where it answers: alive at /healthz, ready at /readyz', part => {
    const port = { ingest: 'health', query: 'api', shard: 'read' }[part];
    const { startupProbe, livenessProbe, readinessProbe } = container(part);
    expect(startupProbe.httpGet).toEqual({ path: '/healthz', port });
    expect(livenessProbe.httpGet).toEqual({ path: '/healthz', port });
    expect(readinessProbe.httpGet).toEqual({ path: '/readyz', port });
  });

  it.each(PARTS)('lets %s write nowhere but to its volumes, and be nobody', part => {
    expect(pod(part)).toMatchObject({
      automountServiceAccountToken: false,
      // A Service called otelfan would become variables that otelfan takes for settings.
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(container(part)).toMatchObject({
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
    });
    expect(pod(part).volumes).toContainEqual({ name: 'tmp', emptyDir: { sizeLimit: '64Mi' } });
  });

  it('gives each part the time that it may take to end', () => {
    const leaving = (part: Part) => container(part).lifecycle?.preStop.sleep.seconds ?? 0;
    const grace = (part: Part) => pod(part).terminationGracePeriodSeconds - leaving(part);
    // Requests in hand of the workers, then sends in hand.
    expect(grace('ingest')).toBeGreaterThan(20 + 5);
    expect(grace('query')).toBeGreaterThan(configOf().query.timeout / 1000 + 2);
    // Reads and writes in hand, then a checkpoint of a log that is as long as it gets.
    expect(grace('shard')).toBeGreaterThan(5 + 10 + 60);
  });

  it('selects pods that there are, by every service, budget, spread and policy', () => {
    const labels = PARTS.map(part => podsOf(part).spec.template.metadata.labels);
    const selectors = objects.flatMap(({ kind, spec }) => {
      if (kind === 'Service') return [spec.selector];
      if (kind === 'PodDisruptionBudget') return [spec.selector.matchLabels];
      if (kind === 'NetworkPolicy') return [spec.podSelector.matchLabels ?? {}];
      return [];
    });
    const spreads = PARTS.flatMap(part => pod(part).topologySpreadConstraints).map(
      spread => spread.labelSelector.matchLabels,
    );
    expect(selectors).toHaveLength(3 + 3 + 4);
    for (const selector of [...selectors, ...spreads]) {
      expect(labels).toContainEqual(expect.objectContaining(selector));
    }
    for (const part of PARTS) {
      expect(of('PodDisruptionBudget', part).spec.selector.matchLabels[COMPONENT]).toBe(part);
      for (const { port, targetPort } of of('Service', part).spec.ports)
        expect(PORTS[part][targetPort]).toBe(port);
    }
  });

  it('lets nobody come but whom a policy names, and to ports that are there', () => {
    expect(of('NetworkPolicy', 'nobody').spec).toEqual({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    });
    const comers = (part: Part) =>
      of('NetworkPolicy', part).spec.ingress.flatMap(rule =>
        rule.ports.flatMap(({ port }) => {
          expect(Object.values(PORTS[part])).toContain(port);
          return rule.from.map(who => [port, JSON.stringify(who)]);
        }),
      );
    const pods = (component: Part) =>
      JSON.stringify({ podSelector: { matchLabels: { [COMPONENT]: component } } });
    const spaces = (label: string) =>
      JSON.stringify({ namespaceSelector: { matchLabels: { [label]: 'true' } } });
    expect(comers('shard')).toEqual([
      [PORTS.shard['otlp-http'], pods('ingest')],
      [PORTS.shard.read, pods('query')],
      [PORTS.shard.read, spaces('otelfan/scrapes')],
    ]);
    expect(comers('query')).toEqual([
      [PORTS.query.api, spaces('otelfan/reads')],
      [PORTS.query.api, spaces('otelfan/scrapes')],
    ]);
    expect(of('NetworkPolicy', 'shard').spec.egress).toBeUndefined();
  });

  it('scales ingest, and stays above what the budget keeps', () => {
    const { scaleTargetRef, minReplicas } = of('HorizontalPodAutoscaler', 'ingest').spec;
    expect(of(scaleTargetRef.kind, scaleTargetRef.name)).toEqual(podsOf('ingest'));
    expect(minReplicas).toBeGreaterThan(of('PodDisruptionBudget', 'ingest').spec.minAvailable);
    // What the autoscaler sets, a manifest that is applied again must not.
    expect(podsOf('ingest').spec.replicas).toBeUndefined();
  });
});
