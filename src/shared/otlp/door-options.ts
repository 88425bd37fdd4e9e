import type { Logger } from 'pino';
import type { Admission } from './admission.ts';
import type { AnsweredRequest, ExportHandler } from './door.ts';

/** What every door is given, whatever its transport. */
export interface DoorOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Largest request, before and after decompression. */
  readonly maxRequestBytes: number;
  /** How long nothing of a body may come before its sender is given up. Default 10 s. */
  readonly maxSilenceMs?: number;
  readonly admission: Admission;
  readonly handle: ExportHandler;
  readonly onAnswered?: (event: AnsweredRequest) => void;
  readonly logger: Logger;
}
