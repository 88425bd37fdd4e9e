/** Headline figures of a case; the last line on stdout is this as one JSON object. */
export type Figures = Readonly<Record<string, number>>;
