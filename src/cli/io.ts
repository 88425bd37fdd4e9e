/** What a command may touch of the process it runs in; a command resolves to its exit code. */
export interface Io {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
  /** Whether a person is looking at stdout. */
  readonly isTty: boolean;
  readonly env: NodeJS.ProcessEnv;
}
