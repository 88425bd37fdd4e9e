import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { cpuSeconds } from '../../test/support/process-usage.ts';
import { eventually, get } from '../../test/support/read-api.ts';
import { startUp, temporaryFolder } from '../../test/support/systems.ts';
import type { Figures } from '../figures.ts';
import { protobufRequest } from '../requests.ts';

const SPANS = 512;
const SENDERS = 4;

/** The whole path on one machine: durable OTLP/HTTP acknowledgements from `otelfan up`, then until all of it is stored. */
export async function benchPath({ quick }: { quick: boolean }): Promise<Figures> {
  const count = quick ? 200 : 1000;
  const types = createOtlpTypes();
  const requests = Array.from({ length: count }, (_, seed) =>
    protobufRequest(types, { signal: 'traces', records: SPANS, recordsPerKey: 10, seed }),
  );
  const folder = await temporaryFolder();
  const system = await startUp(folder.path);
  try {
    const cpuBefore = cpuSeconds(system.process.pid);
    const startMs = performance.now();
    let sent = 0;
    const send = async () => {
      for (let body = requests[sent++]; body !== undefined; body = requests[sent++]) {
        const response = await fetch(`${system.http}/v1/traces`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-protobuf' },
          body,
        });
        if (response.status !== 200) throw new Error(`answered ${response.status}`);
      }
    };
    await Promise.all(Array.from({ length: SENDERS }, send));
    const acknowledgedSeconds = (performance.now() - startMs) / 1000;
    const spans = count * SPANS;
    await eventually(
      () => get(system.api, 'services'),
      ({ body }) => (body.services as { span_count: number }[])[0]?.span_count === spans,
      300_000,
    );
    const storedSeconds = (performance.now() - startMs) / 1000;
    const figures = {
      spans,
      acknowledged_spans_per_second: Math.round(spans / acknowledgedSeconds),
      stored_spans_per_second: Math.round(spans / storedSeconds),
      router_cpu_us_per_span: Number(
        (((cpuSeconds(system.process.pid) - cpuBefore) * 1e6) / spans).toFixed(2),
      ),
    };
    for (const [name, value] of Object.entries(figures)) console.log(`${name.padEnd(30)} ${value}`);
    return figures;
  } finally {
    await system.stop();
    await folder.remove();
  }
}
