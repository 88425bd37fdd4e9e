import {
  JsonLogsSerializer,
  JsonMetricsSerializer,
  JsonTraceSerializer,
} from '@opentelemetry/otlp-transformer';
import type { Signal } from '../../../src/shared/otlp/signal.ts';
import { type Address, startAddress } from '../../support/address.ts';
import type { Json } from '../../support/otlp-arbitraries.ts';
import { EXPORTERS } from '../../support/sdk-exporters.ts';
import { type Exported, runApp } from '../../support/telemetry.ts';
import { recordsById } from '../records.ts';
import { BOTH_QUEUES, type Scenario, type Trial } from '../scenario.ts';

const TRACES_PER_APP = 4;
const TRANSPORTS = ['proto', 'grpc'] as const;

/**
 * Every process of otelfan is restarted in its turn, behind an address that leads to whichever replica of ingest is there.
 * Redis is not: without it ingest answers 503, and not every exporter of the SDK sends again.
 */
export const rollingScenario: Scenario = {
  name: 'rolling restart, seen by SDK exporters',
  queues: BOTH_QUEUES,
  async run(trial) {
    const { site } = trial;
    const fronts = { http: await frontOf(site.doors[0]?.http), grpc: await frontOf(site.doors[0]?.grpc) };
    const rolling = { isOver: false };
    try {
      const restarts = restartAll(trial, fronts).finally(() => {
        rolling.isOver = true;
      });
      const apps = TRANSPORTS.map(transport => runApps(trial, { transport, fronts, rolling }));
      // All together, so that none of them can fail unheard.
      const [, ...counts] = await Promise.all([restarts, ...apps]);
      trial.note(
        `${counts.join(' and ')} apps over ${TRANSPORTS.join(' and ')}, each with an exporter for every signal`,
      );
      trial.check(Math.min(...counts) > 0, 'no app ran meanwhile');
    } finally {
      await Promise.all(Object.values(fronts).map(front => front.close()));
    }
  },
};

interface Fronts {
  readonly http: Address;
  readonly grpc: Address;
}

const portOf = (url = '') => Number(new URL(url).port);
const frontOf = (url: string | undefined) => startAddress(portOf(url));

async function restartAll(trial: Trial, fronts: Fronts): Promise<void> {
  const { site } = trial;
  for (const kind of ['query', 'shard', 'ingest'] as const) {
    for (const [index, process] of site.of(kind).entries()) {
      const other = site.doors[kind === 'ingest' ? 1 - index : 0];
      fronts.http.leadTo(portOf(other?.http));
      fronts.grpc.leadTo(portOf(other?.grpc));
      trial.note(`restart ${process.name}`);
      const exitCode = await process.stop();
      trial.check(exitCode === 0, `${process.name} ended with ${exitCode}`);
      await process.start();
      await trial.pause(0, 200);
    }
  }
}

interface Apps {
  readonly transport: (typeof TRANSPORTS)[number];
  readonly fronts: Fronts;
  readonly rolling: { readonly isOver: boolean };
}

/** One app after the other, as long as restarts go on; resolves to how many. */
async function runApps(trial: Trial, { transport, fronts, rolling }: Apps): Promise<number> {
  const doors = {
    http: `http://127.0.0.1:${fronts.http.port}`,
    grpc: `grpc://127.0.0.1:${fronts.grpc.port}`,
  };
  const service = `${trial.source.services[0]}-${transport}`;
  for (let count = 0; ; count += 1) {
    if (rolling.isOver) return count;
    try {
      remember(
        trial,
        service,
        await runApp({ service, exporters: EXPORTERS[transport](doors), traces: TRACES_PER_APP }),
      );
    } catch (error) {
      trial.check(false, `an exporter of the SDK (${transport}) failed: ${String(error)}`);
    }
    await trial.pause(100, 300);
  }
}

function remember({ ledger }: Trial, service: string, { spans, logs, metrics }: Exported): void {
  const requests: [Signal, Uint8Array | undefined][] = [
    ['traces', JsonTraceSerializer.serializeRequest(spans)],
    ['logs', JsonLogsSerializer.serializeRequest(logs)],
    ...metrics.map((each): [Signal, Uint8Array | undefined] => [
      'metrics',
      JsonMetricsSerializer.serializeRequest(each),
    ]),
  ];
  for (const [signal, bytes] of requests) {
    const request = JSON.parse(Buffer.from(bytes ?? []).toString()) as Json;
    const entry = ledger.begin({ signal, service, request, records: recordsById(signal, request) });
    entry.attempt();
    entry.became({ kind: 'acknowledged', rejected: 0 });
  }
}
