import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { manifest, manifests, podsOf, prometheusRules, repositoryFile } from '../../support/deploy-files.ts';
import { checkPromql } from '../../support/promql-check.ts';

const { alerts, recordings } = prometheusRules();
const recorded = new Map(recordings.map(({ record, expr }) => [record, checkPromql(expr).labels]));

/** Headings of the runbook, as links to them are written. */
const anchors = [...repositoryFile('docs', 'RUNBOOK.md').matchAll(/^### (.+)$/gm)].map(([, title = '']) =>
  title.toLowerCase(),
);

describe('the check of PromQL', () => {
  it.each([
    ['otelfan_no_such', 'no part of the product has a metric otelfan_no_such'],
    ['otelfan_ready{zone="a"}', 'otelfan_ready has no label zone'],
    ['sum by (shard) (otelfan_ready)', 'no label shard to group by'],
    ['otelfan_ready and on (shard) otelfan_ready', 'no label shard to group by'],
    ['otelfan_lane_breaker_state{state="opened"}', 'names no state opened'],
    ['otelfan_ready ==', 'cannot be parsed'],
    ['otelfan_request_duration_seconds', 'no part of the product has a metric'],
  ])('finds fault with %s', (expr, fault) => {
    expect(checkPromql(expr).faults.join('\n')).toContain(fault);
  });

  it('knows which labels are left', () => {
    expect([...checkPromql('max by (shard) (otelfan_queue_bytes)').labels]).toEqual(['shard']);
    expect([...checkPromql('count_values("hash", otelfan_topology_hash)').labels]).toEqual(['hash']);
  });
});

describe('deploy/prometheus/alerts.yaml', () => {
  it.each(recordings)('records $record from metrics that there are', ({ expr }) => {
    expect(checkPromql(expr).faults).toEqual([]);
  });

  it.each(alerts)('$alert is a formula over metrics, labels and values that there are', ({ expr }) => {
    expect(checkPromql(expr, recorded).faults).toEqual([]);
  });

  it.each(alerts)(
    '$alert says in one line what is the matter, with labels that it has',
    ({ expr, labels, annotations }) => {
      expect(labels.severity).toMatch(/^(?:warning|critical)$/);
      const { summary = '' } = annotations;
      expect(summary).not.toBe('');
      const used = [...summary.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label);
      const { labels: left } = checkPromql(expr, recorded);
      expect(used.filter(label => !left.has(label ?? ''))).toEqual([]);
    },
  );

  it('has each alert once', () => {
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  });

  it.each(alerts)(
    '$alert has its heading in the runbook, and its link leads there',
    ({ alert, annotations }) => {
      expect(annotations.runbook_url).toBe(`docs/RUNBOOK.md#${alert.toLowerCase()}`);
      expect(anchors).toContain(alert.toLowerCase());
    },
  );
});

interface ExternalRule {
  readonly seriesQuery: string;
  readonly metricsQuery: string;
  readonly name: { readonly as: string };
}

describe('the metric that ingest is scaled by', () => {
  it('is one that is recorded, under the name that the autoscaler asks for', () => {
    const [adapter] = manifests<{ externalRules: [ExternalRule] }>('prometheus-adapter.yaml');
    const [rule] = adapter?.externalRules ?? [];
    expect(checkPromql(rule?.metricsQuery ?? '', recorded).faults).toEqual([]);
    expect([...recorded.keys()]).toEqual([rule?.seriesQuery]);
    const { metrics } = manifest('ingest.yaml', 'HorizontalPodAutoscaler', 'ingest').spec;
    const asked = metrics.flatMap(({ external }) => external?.metric.name ?? []);
    expect(asked).toEqual([rule?.name.as]);
  });
});

describe('deploy/prometheus/scrape.yaml', () => {
  it('has the jobs that the alerts tell apart, each for the port of a container that there is', () => {
    const { scrape_configs: jobs } = parse(repositoryFile('deploy', 'prometheus', 'scrape.yaml')) as {
      scrape_configs: { job_name: string; relabel_configs: { regex?: string; action?: string }[] }[];
    };
    expect(jobs.map(job => job.job_name)).toEqual(['otelfan-ingest', 'otelfan-query', 'otelfan-shard']);
    for (const { job_name: name, relabel_configs: rules } of jobs) {
      const [component = '', port] = rules.find(({ action }) => action === 'keep')?.regex?.split(';') ?? [];
      expect(name).toBe(`otelfan-${component}`);
      const { template } = podsOf(component as 'ingest').spec;
      expect(template.metadata.labels['app.kubernetes.io/component']).toBe(component);
      expect(template.spec.containers[0].ports.map(({ name: ofPort }) => ofPort)).toContain(port);
    }
  });
});
