import type { Logger } from 'pino';

/** Writes one line when something turns bad and one when it is good again, however often either is reported. */
export interface TurnLog {
  bad(error: unknown): void;
  good(): void;
}

export function createTurnLog(
  logger: Logger,
  lines: { readonly bad: string; readonly good: string },
): TurnLog {
  let isBad = false;
  return {
    bad(error) {
      if (!isBad) logger.error({ err: error }, lines.bad);
      isBad = true;
    },
    good() {
      if (isBad) logger.info(lines.good);
      isBad = false;
    },
  };
}
