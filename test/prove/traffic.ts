import { setTimeout as sleep } from 'node:timers/promises';
import { createDice, type Dice } from '../equivalence/dice.ts';
import type { Entry, Ledger } from './ledger.ts';
import type { MadeExport, NextOptions, RecordSource } from './records.ts';
import { type Answer, createExporter, type Doors, type Transport } from './transports.ts';

export interface TrafficOptions {
  /** Senders at once. Default 4. */
  readonly senders?: number;
  /** Longest pause of a sender between two exports. Default 60. */
  readonly pauseMs?: number;
  /** How probable it is that a sender repeats an export that was acknowledged, as after a lost answer. Default 0.05. */
  readonly repeats?: number;
  readonly exports?: NextOptions;
}

interface TrafficParts extends TrafficOptions {
  readonly doors: readonly Doors[];
  readonly source: RecordSource;
  readonly ledger: Ledger;
  readonly dice: Dice;
}

export interface Traffic {
  /** Resolves when every sender has its last answer, or gave up. */
  stop(): Promise<void>;
  /** What was answered that was not OK, and how often. */
  refusals(): ReadonlyMap<string, number>;
}

/** SDKs give up after some more; a trial is short. */
const MAX_ATTEMPTS = 8;
const BACKOFF_MS = { first: 50, max: 800 };

/** A repeat has the same bytes over these, and only then is it one. */
const SAME_BYTES: readonly Transport[] = ['protobuf', 'gzip', 'grpc'];

/** Senders that behave as SDKs do: one export at a time, repeated with growing pauses while it is not answered. */
export function startTraffic(parts: TrafficParts): Traffic {
  const { doors, source, ledger, senders = 4, pauseMs = 60, repeats = 0.05 } = parts;
  const exporter = createExporter();
  const stopping = new AbortController();
  const refusals = new Map<string, number>();

  function count(answer: Answer): void {
    if (answer.kind === 'ok' && answer.rejected === 0) return;
    const text = answer.kind === 'ok' ? `partial: ${answer.message}` : answer.reason;
    // Errors over HTTP may be protobuf.
    const reason = text
      .replace(/[^ -~]+/g, ' ')
      .replace(/\d+/g, 'N')
      .slice(0, 120);
    refusals.set(reason, (refusals.get(reason) ?? 0) + 1);
  }

  async function sendForever(dice: Dice): Promise<void> {
    while (!stopping.signal.aborted) {
      const made = source.next(parts.exports);
      const entry = ledger.begin(made);
      const isJson = dice.chance(0.25);
      const transport = () => (isJson ? 'json' : dice.pick(SAME_BYTES));
      const rounds = dice.chance(repeats) ? 2 : 1;
      for (let round = 0; round < rounds; round += 1) await send({ made, entry, dice, transport });
      await pause(dice.below(pauseMs + 1));
    }
  }

  async function send({ made, entry, dice, transport }: Sending): Promise<void> {
    let pauseMs = BACKOFF_MS.first;
    for (let attempt = 1; ; attempt += 1) {
      entry.attempt();
      const answer = await exporter.export(dice.pick(doors), transport(), made);
      count(answer);
      if (answer.kind === 'ok') return entry.became({ kind: 'acknowledged', rejected: answer.rejected });
      if (answer.kind === 'refused') return entry.became(answer);
      if (attempt === MAX_ATTEMPTS || stopping.signal.aborted) return;
      await pause(pauseMs * (0.5 + dice.below(1000) / 1000));
      pauseMs = Math.min(2 * pauseMs, BACKOFF_MS.max);
    }
  }

  const pause = (ms: number) => sleep(ms, undefined, { signal: stopping.signal }).catch(() => undefined);
  const running = Array.from({ length: senders }, () => sendForever(createDice(parts.dice.below(2 ** 31))));
  return {
    refusals: () => refusals,
    async stop() {
      stopping.abort();
      await Promise.all(running);
      exporter.close();
    },
  };
}

interface Sending {
  readonly made: MadeExport;
  readonly entry: Entry;
  readonly dice: Dice;
  /** Over what the next attempt goes. */
  readonly transport: () => Transport;
}
