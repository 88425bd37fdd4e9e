import {
  JsonLogsSerializer,
  JsonMetricsSerializer,
  JsonTraceSerializer,
} from '@opentelemetry/otlp-transformer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/otlp-arbitraries.ts';
import { eventually, get } from '../support/read-api.ts';
import { RECORD_OF, recordsOf } from '../support/restore-otlp.ts';
import { EXPORTERS, SDK_TRANSPORTS } from '../support/sdk-exporters.ts';
import { type System, startSeparate, startUp, temporaryFolder } from '../support/systems.ts';
import { type Exported, runApp } from '../support/telemetry.ts';

const TRACES = 12;

const SYSTEMS: Readonly<Record<string, () => Promise<System>>> = {
  'up, with the embedded queue': async () => {
    const folder = await temporaryFolder();
    const system = await startUp(folder.path);
    return { ...system, stop: () => system.stop().then(folder.remove) };
  },
  'separate processes, with Redis': () => startSeparate(),
};

describe.each(Object.keys(SYSTEMS))('%s', name => {
  let system: System;
  beforeAll(async () => {
    system = await (SYSTEMS[name] as () => Promise<System>)();
  });
  afterAll(() => system?.stop());

  describe.each(SDK_TRANSPORTS)('an app with the SDK exporters otlp-%s', transport => {
    const service = `app-${transport}`;
    let exported: Exported;
    beforeAll(async () => {
      const exporters = EXPORTERS[transport](system);
      exported = await runApp({ service, exporters, traces: TRACES });
    });

    const rowsOf = async (path: string, member: string, count: number): Promise<Json[]> => {
      const { body } = await eventually(
        () => get(system.api, path),
        answer => (answer.body[member] as unknown[] | undefined)?.length === count && !answer.body.partial,
      );
      return body[member] as Json[];
    };

    it('gets back every span with every field equal', async () => {
      const expected = recordsOf('traces', jsonOf(JsonTraceSerializer.serializeRequest(exported.spans)));
      expect(expected).toHaveLength(3 * TRACES);
      const rows = await rowsOf(`traces?service=${service}&limit=1000`, 'spans', expected.length);
      const blobs = await blobsOf(system.api, rows);
      expect(sorted(rows.map(row => RECORD_OF.traces(row, blobs)))).toEqual(sorted(expected));
    });

    it('gets back every trace whole, by its id', async () => {
      for (const traceId of new Set(exported.spans.map(span => span.spanContext().traceId))) {
        const spans = await rowsOf(`traces/${traceId}`, 'spans', 3);
        expect(spans.map(span => span.trace_id)).toEqual([traceId, traceId, traceId]);
      }
    });

    it('gets back every log record with every field equal', async () => {
      const expected = recordsOf('logs', jsonOf(JsonLogsSerializer.serializeRequest(exported.logs)));
      expect(expected).toHaveLength(2 * TRACES);
      const rows = await rowsOf(`logs?service=${service}&limit=1000`, 'logs', expected.length);
      expect(sorted(rows.map(row => RECORD_OF.logs(row)))).toEqual(sorted(expected));
    });

    it('gets back every metric point with every field equal', async () => {
      const expected = exported.metrics.flatMap(metrics =>
        recordsOf('metrics', jsonOf(JsonMetricsSerializer.serializeRequest(metrics))),
      );
      expect(expected.length).toBeGreaterThan(6);
      const rows = await rowsOf(`metrics?service=${service}&limit=1000`, 'metrics', expected.length);
      expect(sorted(rows.map(row => RECORD_OF.metrics(row)))).toEqual(sorted(expected));
    });

    it('is listed among the services with its exact counts', async () => {
      const { body } = await get(system.api, 'services');
      const found = (body.services as Json[]).find(row => row.name === service);
      expect(found).toMatchObject({ span_count: 3 * TRACES, trace_count: TRACES, error_rate: 1 / 3 });
    });
  });
});

/** The prompts and completions that spans name, as the read API gives them out. */
async function blobsOf(api: string, spans: readonly Json[]): Promise<ReadonlyMap<unknown, string>> {
  const hashes = spans.flatMap(({ llm }) => {
    const { prompt_sha256, completion_sha256 } = (llm ?? {}) as Json;
    return [prompt_sha256, completion_sha256].filter(hash => hash !== undefined);
  });
  const blobs = new Map<unknown, string>();
  for (const hash of new Set(hashes)) {
    blobs.set(hash, await (await fetch(`${api}/api/v1/blobs/${String(hash)}`)).text());
  }
  return blobs;
}

function jsonOf(bytes: Uint8Array | undefined): Json {
  return JSON.parse(Buffer.from(bytes ?? []).toString()) as Json;
}

function sorted(records: Json[]): Json[] {
  const text = (record: Json) => JSON.stringify(record);
  return [...records].sort((a, b) => (text(a) < text(b) ? -1 : 1));
}
