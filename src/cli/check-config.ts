import { type Leaf, leavesOf } from '../shared/config/leaves.ts';
import { loadConfig } from '../shared/config/load.ts';
import type { Config, TopologyConfig } from '../shared/config/schema.ts';
import { withoutSecrets } from '../shared/config/secrets.ts';
import { DURATION_SETTING_FORMS, POSITIVE_DURATION_FORMS, SIZE_FORMS } from '../shared/config/units.ts';
import { EXIT } from './exit-codes.ts';
import { type Flags, helpText, parseFlags } from './flags.ts';
import type { Io } from './io.ts';
import { printable, renderTable } from './table.ts';

const FLAGS = {
  config: { type: 'string', placeholder: 'FILE', about: 'YAML configuration (or OTELFAN_CONFIG)' },
  json: { type: 'boolean', about: 'print { settings, warnings } as JSON' },
  help: { type: 'boolean', about: 'show this text' },
} as const satisfies Flags;

const HELP = {
  summary: 'Show the effective configuration, where each value comes from, and warnings.',
  usage: 'otelfan check-config [flags]',
  flags: FLAGS,
  exitCodes: '0 valid, 1 invalid (every error is listed), 2 usage',
  example: 'OTELFAN_QUEUE_MAX_BYTES=20GiB otelfan check-config --config otelfan.yaml',
};

/** `otelfan check-config`: nothing is started and nothing is written. */
export function checkConfigCommand(argv: readonly string[], io: Io): number {
  const flags = parseFlags('check-config', argv, FLAGS);
  if (flags.isSet('help')) {
    io.stdout.write(helpText(HELP));
    return EXIT.ok;
  }
  const file = flags.text('config');
  const loaded = loadConfig({ env: io.env, ...(file !== undefined && { file }) });
  if (!loaded.ok) {
    for (const error of loaded.errors) io.stderr.write(`otelfan check-config: ${printable(error)}\n`);
    return EXIT.failed;
  }
  const checked: Checked = {
    settings: leavesOf().map(leaf => ({
      path: leaf.path,
      value: effectiveValue(leaf, loaded.config),
      source: loaded.sources.get(leaf.path) ?? 'default',
    })),
    topology: loaded.config.topology,
    warnings: loaded.warnings,
  };
  io.stdout.write(flags.isSet('json') ? asJson(checked) : asText(checked));
  return EXIT.ok;
}

interface Setting {
  readonly path: string;
  /** As the configuration accepts it, passwords masked; `undefined` when it is not set. */
  readonly value: string | undefined;
  readonly source: string;
}

interface Checked {
  readonly settings: readonly Setting[];
  readonly topology: TopologyConfig | undefined;
  readonly warnings: readonly string[];
}

function effectiveValue({ path, forms, isStructured }: Leaf, config: Config): string | undefined {
  const value = path.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], config);
  if (value === undefined) return undefined;
  if (isStructured) return 'see below';
  if (typeof value !== 'number') return withoutSecrets(String(value));
  if (forms.startsWith(SIZE_FORMS)) return withUnit(value, SIZE_UNITS);
  const isDuration = forms.startsWith(POSITIVE_DURATION_FORMS) || forms.startsWith(DURATION_SETTING_FORMS);
  return isDuration ? withUnit(value, DURATION_UNITS) : String(value);
}

type Units = readonly (readonly [unit: string, size: number])[];

const SIZE_UNITS: Units = [
  ['TiB', 1024 ** 4],
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
  ['B', 1],
];
const DURATION_UNITS: Units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];

/** Exact, in the largest unit that leaves a whole number. */
function withUnit(value: number, units: Units): string {
  const [unit, size] = units.find(([, size]) => value % size === 0 && value > 0) ?? ['', 1];
  return `${value / size}${unit}`;
}

function asText({ settings, topology, warnings }: Checked): string {
  const table = renderTable<Setting>({
    columns: [
      { title: 'SETTING', cell: row => row.path },
      { title: 'VALUE', cell: row => row.value ?? '-' },
      { title: 'FROM', cell: row => row.source },
    ],
    rows: settings,
  });
  const parts = [table];
  if (topology !== undefined) parts.push(topologyText(topology));
  if (warnings.length > 0) {
    const lines = warnings.map(warning => `  ${printable(withoutSecrets(warning))}\n`).join('');
    parts.push(`Warnings:\n${lines}`);
  }
  return parts.join('\n');
}

function topologyText({ version, shards, previous }: TopologyConfig): string {
  const table = renderTable({
    columns: [
      { title: 'SHARD', cell: shard => shard.id },
      { title: 'KIND', cell: shard => shard.kind },
      { title: 'STATE', cell: shard => shard.state },
      { title: 'WEIGHT', cell: shard => String(shard.weight), align: 'right' },
      { title: 'OTLP', cell: shard => withoutSecrets(shard.otlp) },
      { title: 'READ', cell: shard => withoutSecrets(shard.read) },
    ],
    rows: shards,
  });
  const earlier = previous
    .map(past => `Before, version ${past.version}: ${past.shards.join(', ')}\n`)
    .join('');
  return `Topology, version ${version}:\n${table}${earlier}`;
}

function asJson({ settings, topology, warnings }: Checked): string {
  const shown = topology && {
    ...topology,
    shards: topology.shards.map(shard => ({
      ...shard,
      otlp: withoutSecrets(shard.otlp),
      read: withoutSecrets(shard.read),
    })),
  };
  const byPath = Object.fromEntries(
    settings.map(({ path, value = null, source }) => [
      path,
      { value: path === 'topology' ? (shown ?? null) : value, source },
    ]),
  );
  const answer = { settings: byPath, warnings: warnings.map(withoutSecrets) };
  return `${JSON.stringify(answer, null, 2)}\n`;
}
