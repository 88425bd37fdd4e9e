/** The question cannot be answered as it is. The message tells what is wrong with it and, for a bound, which setting. */
export class Refused extends Error {
  readonly status: 400 | 413;

  constructor(status: 400 | 413, message: string) {
    super(message);
    this.status = status;
  }
}
