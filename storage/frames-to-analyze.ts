// How many frames of an instance a model is asked about: one rule, in TypeScript and in SQL.

/** More frames than this are no radiograph; such an instance gets one analysis that says so. */
export const MAX_FRAMES = 32;
/** How many analyses an instance of so many frames gets from each model. */
export const framesToAnalyze = (frames: number): number => (frames > MAX_FRAMES ? 1 : frames);
/** The same of a row of instances. */
export const FRAMES_TO_ANALYZE = `(case when instances.frames > ${MAX_FRAMES} then 1 else instances.frames end)`;
