/** What a 200 means, word for word as docs/GUARANTEES.md has it: the tests that prove it are named by it. */
export const OK_MEANS =
  'Every record that the answer does not report as rejected is in the durable queue, and a restart of any process loses none of them.';
