/** Exit codes that every command shares; `get` and `send` add their own and document them. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** A shard that could only be ended; start it again. EX_TEMPFAIL of sysexits.h. */
  stuck: 75,
} as const;

/** Something the user can mend, said in one line; everything else that is thrown is a bug. */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}
