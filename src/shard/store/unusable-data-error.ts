/** The shard's data cannot be opened: in use, damaged or too new. The message is one line and names the path. */
export class UnusableDataError extends Error {
  override readonly name = 'UnusableDataError';
}
