// The order in which studies should be read, as SQL over the rows of `studies`, and a place in it, which pages go on from.
import type { Settings } from '../../config/settings.ts';

export type WorklistOrder = Settings['worklist']['order'];

/**
 * The order of the design: positives, then what is unknown, then negatives; oldest first within each. What no route takes comes
 * after them, what is read last. A positive stays one while more of its study is analysed. No setting changes this.
 */
const RANK = `((case when reading = 'read' then 10 else 0 end)
  + (case when positive then 0 when analysis = 'not-routed' then 3 when analysis = 'analyzed' then 2 else 1 end))`;

const IMPROBABILITY = `(1 - probability)`;
/**
 * Less opaque is later. Where it was not measured, the study stands as though its extent were its probability: a white lung is
 * what the lungs are hardest to find in, and must not go to the end for it.
 */
const CLEARNESS = `(- coalesce((severity->>'both')::float8, 100 * probability))`;

/** Among positives, lower first: what decides, and what decides between those that are alike in it. */
const KEYS: Record<WorklistOrder, [urgency: string, tie: string]> = {
  probability: [IMPROBABILITY, CLEARNESS],
  severity: [CLEARNESS, IMPROBABILITY],
};

/** Studies with rank, urgency and tie, but for those that were deleted; a further condition goes on with `and`. */
export function rankedStudies(order: WorklistOrder): string {
  const [urgency, tie] = KEYS[order].map((key) => `(case when positive then ${key} else 0::float8 end)`);
  return `select *, ${RANK} as rank, ${urgency} as urgency, ${tie} as tie from studies where deleted_at is null`;
}

/** Cursors carry milliseconds, Postgres keeps microseconds. */
export const READING_ORDER = `rank, urgency, tie, date_trunc('milliseconds', first_received_at), study_instance_uid`;

/** The values of READING_ORDER of one study. */
export interface Position {
  rank: number;
  urgency: number;
  tie: number;
  at: string;
  uid: string;
}

export function cursorOf(position: Position, order: WorklistOrder): string {
  const { rank, urgency, tie, at, uid } = position;
  return Buffer.from(JSON.stringify({ order, rank, urgency, tie, at, uid })).toString('base64url');
}

/** @throws {RangeError} when it is no cursor of ours, or one of another order */
export function positionOf(cursor: string, order: WorklistOrder): Position {
  const value = parsed(cursor);
  const { rank, urgency, tie, at, uid } = value;
  const numbers = [rank, urgency, tie].every((number) => typeof number === 'number');
  if (!numbers || Number.isNaN(Date.parse(at ?? '')) || typeof uid !== 'string')
    throw new RangeError(`"after" must be the "next" of an earlier answer, not "${cursor.slice(0, 40)}"`);
  if (value.order !== order) throw new RangeError('the order of the worklist was changed since that page: begin with the first');
  return value as Position;
}

function parsed(cursor: string): Partial<Position & { order: WorklistOrder }> {
  try {
    return (JSON.parse(Buffer.from(cursor, 'base64url').toString()) ?? {}) as Partial<Position>;
  } catch {
    return {};
  }
}
