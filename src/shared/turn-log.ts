/** Says that something turned bad and that it is good again, once each, however often either is reported. */
export interface TurnLog<Bad, Good> {
  bad(detail: Bad): void;
  good(detail: Good): void;
}

/** `lines` write the line of a turn; they see the detail that came with it. */
export function createTurnLog<Bad, Good = void>(lines: TurnLog<Bad, Good>): TurnLog<Bad, Good> {
  let isBad = false;
  return {
    bad(detail) {
      if (!isBad) lines.bad(detail);
      isBad = true;
    },
    good(detail) {
      if (isBad) lines.good(detail);
      isBad = false;
    },
  };
}
