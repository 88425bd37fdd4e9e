import { pino } from 'pino';
import type { HttpListener } from '../../src/shared/http-listener.ts';
import type { Admission } from '../../src/shared/otlp/admission.ts';
import type { AnsweredRequest, ExportOutcome, ExportRequest } from '../../src/shared/otlp/door.ts';
import type { DoorOptions } from '../../src/shared/otlp/door-options.ts';
import { createOtlpGrpcServer } from '../../src/shared/otlp/grpc-server.ts';
import { createOtlpHttpServer } from '../../src/shared/otlp/http-server.ts';
import { createJsonTranscoder } from '../../src/shared/otlp/json-transcoder.ts';
import { createOtlpTypes } from '../../src/shared/otlp/messages.ts';
import { type Clock, systemClock } from '../../src/shared/time.ts';
import { admissionOf } from './admission.ts';

export const MAX_REQUEST_BYTES = 100_000;

export const ACCEPTED: ExportOutcome = { kind: 'accepted', rejected: 0, message: '' };

export interface TestDoorOptions {
  readonly outcome?: ExportOutcome | ((request: ExportRequest) => Promise<ExportOutcome>);
  readonly admission?: Admission;
  readonly maxRequestBytes?: number;
  readonly maxSilenceMs?: number | undefined;
  readonly corsOrigins?: string;
  readonly maxConnectionAgeMs?: number;
  readonly ageGraceMs?: number;
  readonly clock?: Clock;
}

export interface TestDoor extends HttpListener {
  /** What the handler was given. */
  readonly received: readonly ExportRequest[];
  /** What the door told of its answers. */
  readonly answered: readonly AnsweredRequest[];
}

export async function openHttpDoor(options: TestDoorOptions = {}): Promise<TestDoor> {
  const { door, seen } = doorOf(options);
  const { corsOrigins = '' } = options;
  const transcoder = createJsonTranscoder(createOtlpTypes());
  return { ...(await createOtlpHttpServer({ ...door, transcoder, corsOrigins })), ...seen };
}

export async function openGrpcDoor(options: TestDoorOptions = {}): Promise<TestDoor> {
  const { door, seen } = doorOf(options);
  const { maxConnectionAgeMs = 60_000, ageGraceMs = 60_000 } = options;
  const server = await createOtlpGrpcServer({
    ...door,
    maxConnectionAgeMs,
    ageGraceMs,
    clock: options.clock ?? systemClock,
    random: Math.random,
  });
  return { ...server, ...seen };
}

function doorOf({
  outcome = ACCEPTED,
  admission,
  maxRequestBytes = MAX_REQUEST_BYTES,
  maxSilenceMs,
}: TestDoorOptions) {
  const received: ExportRequest[] = [];
  const answered: AnsweredRequest[] = [];
  const door: DoorOptions = {
    host: '127.0.0.1',
    port: 0,
    maxRequestBytes,
    ...(maxSilenceMs !== undefined && { maxSilenceMs }),
    admission: admission ?? admissionOf(),
    handle: request => {
      received.push(request);
      return typeof outcome === 'function' ? outcome(request) : Promise.resolve(outcome);
    },
    onAnswered: event => answered.push(event),
    logger: pino({ level: 'silent' }),
  };
  return { door, seen: { received, answered } };
}

/** A handler whose answers the test gives, one by one in the order of the requests. */
export function heldOutcomes() {
  const waiting: ((outcome: ExportOutcome) => void)[] = [];
  return {
    outcome: () => new Promise<ExportOutcome>(resolve => waiting.push(resolve)),
    answerNext: (outcome: ExportOutcome = ACCEPTED) => waiting.shift()?.(outcome),
  };
}
