import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { checkConfigCommand } from '../../../src/cli/check-config.ts';
import { deadLetterCommand } from '../../../src/cli/dead-letter.ts';
import { getCommand } from '../../../src/cli/get.ts';
import type { Io } from '../../../src/cli/io.ts';
import { shardCommand } from '../../../src/cli/shard.ts';
import { topologyCommand } from '../../../src/cli/topology.ts';
import { DOCUMENT } from '../../../src/query/openapi/document.ts';
import { leavesOf } from '../../../src/shared/config/leaves.ts';
import { manifests, podsOf, prometheusRules, repositoryFile } from '../../support/deploy-files.ts';
import { KNOWN_SERIES } from '../../support/known-metrics.ts';

const text = repositoryFile('docs', 'RUNBOOK.md');
const sections = new Map(
  text
    .split(/^(?=### )/m)
    .slice(1)
    .map(section => [section.slice(4, section.indexOf('\n')), section]),
);
const { alerts } = prometheusRules();

const blocks = (language: string, of = text) =>
  [...of.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
    ([, body = '']) => body,
  );
const shellLines = blocks('sh').flatMap(block => block.trim().split('\n'));
const spans = [...text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`]+)`/g)].map(
  ([, span = '']) => span,
);
const oneLine = (formula: string) => formula.replaceAll(/\s+/g, ' ').trim();

type CollectingIo = Io & Record<'stdout' | 'stderr', Writable>;

const COMMANDS: Readonly<Record<string, (argv: string[], io: CollectingIo) => number | Promise<number>>> = {
  topology: topologyCommand,
  'dead-letter': deadLetterCommand,
  'check-config': checkConfigCommand,
  shard: shardCommand,
  get: getCommand,
};

/** Runs a line of otelfan as far as its flags are read, and returns the help that it then prints. */
async function helpOf(line: string): Promise<string> {
  const [, command = '', ...argv] = line.split(' ');
  let help = '';
  const keep = new Writable({
    write(chunk, _encoding, done) {
      help += String(chunk);
      done();
    },
  });
  await COMMANDS[command]?.([...argv, '--help'], { stdout: keep, stderr: keep, isTty: true, env: {} });
  return help;
}

describe('docs/RUNBOOK.md', () => {
  it('has a section for each alert, and none for an alert that there is not', () => {
    expect([...sections.keys()].sort()).toEqual(alerts.map(({ alert }) => alert).sort());
  });

  it.each(alerts)('shows the formula of $alert as it is, and something to type', ({ alert, expr }) => {
    const section = sections.get(alert);
    expect(blocks('promql', section).map(oneLine)).toEqual([oneLine(expr)]);
    expect(blocks('sh', section)).not.toEqual([]);
  });

  it('names settings that there are', () => {
    const known = leavesOf().flatMap(({ path, envName }) => [path, envName]);
    const settings = spans.filter(span =>
      /^(?:ingest|queue|delivery|query|shard)\.\w|^dataDir$|^OTELFAN_/.test(span),
    );
    expect(settings.length).toBeGreaterThan(30);
    const names = settings.map(span => span.split(':', 1)[0] ?? '');
    expect(names.filter(name => !known.includes(name))).toEqual([]);
  });

  it('names metrics that there are', () => {
    const metrics = spans.filter(span => /^otel(?:fan|col)_/.test(span));
    expect(metrics.length).toBeGreaterThan(2);
    expect(metrics.filter(name => !KNOWN_SERIES.has(name))).toEqual([]);
  });

  const own = [...shellLines, ...spans].filter(line => /^otelfan [^…]+$/.test(line));
  it.each([...new Set(own)])(
    '%s is a command with flags that there are',
    async line => {
      const help = await helpOf(line);
      expect(help).toContain('Exit codes');
      const [, command, word] = line.split(' ');
      if (word === undefined || word.startsWith('-')) return;
      expect(help).toContain(command === 'get' ? word : `otelfan ${command} ${word}`);
      // Loading the command may load its database.
    },
    30_000,
  );

  it('asks addresses with ports and paths that there are', () => {
    const urls = shellLines.flatMap(line => /^curl -sS '?(http:[^']+)'?$/.exec(line)?.[1] ?? []);
    expect(urls.length).toBe(shellLines.filter(line => line.startsWith('curl')).length);
    const ofPort: Readonly<Record<string, readonly string[]>> = {
      13133: ['/healthz', '/readyz'],
      8888: ['/metrics'],
      7701: ['/healthz', '/readyz', '/metrics', ...Object.keys(DOCUMENT.paths)],
      7800: ['/healthz', '/readyz', '/metrics'],
    };
    for (const { port, pathname } of urls.map(url => new URL(url))) expect(ofPort[port]).toContain(pathname);
  });

  it('speaks of objects that the manifests have', () => {
    const objects = ['ingest.yaml', 'query.yaml', 'shard.yaml', 'config.yaml'].flatMap(file =>
      manifests(file),
    );
    const names = objects.map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`);
    const lines = shellLines.filter(line => line.startsWith('kubectl'));
    for (const line of lines) {
      expect(line).toMatch(/^kubectl -n otelfan /);
      for (const [named] of line.matchAll(/(?:deployment|statefulset)\/\w+/g)) expect(names).toContain(named);
      const [, component] = /component=(\S+)/.exec(line) ?? [];
      if (component !== undefined) expect(['ingest', 'query', 'shard']).toContain(component);
      const [, pod] = /\bshard-(\d)/.exec(line) ?? [];
      if (pod !== undefined) expect(Number(pod)).toBeLessThan(podsOf('shard').spec.replicas ?? 0);
    }
    expect(names).toContain('horizontalpodautoscaler/ingest');
    expect(names).toContain('configmap/otelfan');
  });

  it('quotes log lines that there are', () => {
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.ts'))
      .map(file => readFileSync(join('src', file), 'utf8'))
      .join('\n');
    const lines = spans.flatMap(span => /^"(.+)"$/.exec(span)?.[1] ?? []);
    expect(lines.length).toBeGreaterThan(10);
    expect(lines.filter(line => !sources.includes(line))).toEqual([]);
  });

  it('links to what is there', () => {
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, link = '']) => link);
    for (const link of links) {
      if (link.startsWith('#'))
        expect([...sections.keys()].map(name => `#${name.toLowerCase()}`)).toContain(link);
      else expect(existsSync(join('docs', link)), link).toBe(true);
    }
  });
});
