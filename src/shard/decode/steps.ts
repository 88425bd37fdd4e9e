/** Work in steps, after each of which it may be left for a while. */
export type Steps<Result> = Generator<undefined, Result, undefined>;

/** Does all of the steps. */
export function finish<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
