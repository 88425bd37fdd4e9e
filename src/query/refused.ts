import type { RefusedQuestion } from './reads/read.ts';

/** The question cannot be answered as it is. The message tells what is wrong with it and, for a bound, which setting. */
export class Refused extends Error {
  readonly status: RefusedQuestion['status'];

  constructor(status: RefusedQuestion['status'], message: string) {
    super(message);
    this.status = status;
  }

  question(): RefusedQuestion {
    return { kind: 'refused', status: this.status, error: this.message };
  }
}
